"""An interrupted cell: the run ends with the epoch under way, and the next one goes on from there."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.operations.run import run
from etl.planning.events import EpochCommitted, Event
from etl.planning.request import RunRequest
from tests.support.engine_cases import land, model, write_project
from tests.support.independent import rows
from tests.support.leftovers import left_behind


@pytest.mark.timeout(300)
def test_an_interrupt_ends_the_run_and_the_next_one_goes_on(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    orders = [{"id": n, "who": "a", "amount": n + 1, "seq": n, "gone": False} for n in range(5)]
    for order in orders:
        land(tmp_path, f"{order['id']}.json", [order])
    pipeline = etl.load("shop")
    committed: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochCommitted):
            committed.append(event.epoch)
            if event.epoch == 1:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(pipeline.spec, RunRequest(mode="stream", select=["clean"]), emit=interrupt)
    assert 1 <= max(committed) < len(orders) - 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("flow")]
    assert left_behind(tmp_path / ".etl" / "local") == [], "the request to stop goes with the stream that obeyed it"
    assert pipeline.run(mode="stream", select=["clean"]).status == "succeeded"
    assert rows(tmp_path / ".etl" / "local" / "tables" / "shop" / "clean") == model(list(orders))["clean"]
    assert pipeline.audit().holds
