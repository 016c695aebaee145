"""`etl backfill`: a range computed anew with the snapshots as they are, and every row outside it left alone."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.engine.run import epoch_commit
from etl.errors import ConfigurationError, EtlError, FlowFailed, HistoryLost
from etl.notebook.pipeline import Pipeline
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.support.backfill_cases import (
    COLUMNS,
    FLOWS,
    People,
    actual,
    batch,
    land,
    malformed,
    move,
    touched,
    within,
    write_project,
)
from tests.support.independent import rows, stamps

BEFORE = {"a": ("Anna", False), "b": ("Bob", False), "c": ("Cy", True)}
AFTER = {"a": ("Anne", False), "b": ("Bob", True), "d": ("Dee", False)}
DAY = date(2026, 3, 1)
LOW, HIGH = DAY + timedelta(2), DAY + timedelta(5)
BOUNDS = ("--from", str(LOW), "--to", str(HIGH))


def events(seed: int, first: int, count: int) -> list[Any]:
    """Rows of few keys over ten days; sequences are unique, and not in the order of the days."""
    chance = random.Random(seed)
    order = chance.sample(range(first, first + count), count)
    return [
        {
            "k": f"k{chance.randrange(12)}",
            "d": None if chance.random() < 0.1 else DAY + timedelta(chance.randrange(10)),
            "v": chance.randrange(100),
            "seq": seq,
            "who": chance.choice("abcd"),
        }
        for seq in order
    ] + ['{"k": "broken']


def statuses(pipeline: Pipeline, *, select: tuple[str, ...] = FLOWS) -> set[str]:
    result = pipeline.run(mode="stream", select=select)
    assert not [item.failure for item in result.flows if item.failure], result
    return {item.status for item in result.flows}


def fill(pipeline: Pipeline, flow: str, window: str | None = None) -> Any:
    return pipeline.backfill(select=flow, start=str(LOW), end=str(HIGH), column="d", window=window)


@pytest.mark.spark
def test_a_backfill_gives_its_range_what_a_batch_would_and_leaves_the_rest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = etl.load(write_project(tmp_path, BEFORE))
    first, later = events(1, 30, 60), events(2, 0, 25)
    land(tmp_path, "a.json", first)
    statuses(pipeline)
    before, whole = batch(first, lambda *_: BEFORE), batch(first, lambda *_: AFTER)
    assert actual(tmp_path) == before
    move(tmp_path, AFTER)
    land(tmp_path, "b.json", later)  # arrived, and read by nobody yet

    write, calls = epoch_commit.quarantine.write, []

    def dies_in_the_second_window(*arguments: Any, **named: Any) -> None:
        write(*arguments, **named)
        calls.append(1)
        if len(calls) == 2:
            raise OSError("the machine has gone")

    with monkeypatch.context() as dying:
        dying.setattr(epoch_commit.quarantine, "write", dies_in_the_second_window)
        with pytest.raises(EtlError, match="the machine has gone"):
            fill(pipeline, "added", "2 days")
    resumed = fill(pipeline, "added", "2 days")
    assert (resumed.done_before, resumed.done, resumed.windows) == (1, 1, 2)
    for flow in FLOWS[1:]:
        assert fill(pipeline, flow).done == 1

    anew = touched(before, whole, first, LOW, HIGH)
    late = {item["seq"] for item in later if not isinstance(item, str)}
    days: set[Any] = set()

    def people_of(flow: str, item: dict[str, Any]) -> People:
        moved = item["k"] in anew[flow] if flow in anew else within(item["d"], LOW, HIGH)
        return AFTER if moved or item["seq"] in late or (flow == "daily" and item["d"] in days) else BEFORE

    assert actual(tmp_path) == batch(first, people_of) != before
    assert [malformed(tmp_path, flow) for flow in ("added", "latest", "daily")] == [1, 1, 1]
    assert pipeline.audit().holds, pipeline.audit()
    stamp = stamps(tmp_path / ".etl/local/tables/past/added")[-1]
    assert (stamp["epoch"], stamp["from"], stamp["backfill"]["id"]) == (0, stamp["to"], resumed.id)
    assert (stamp["backfill"]["window"], stamp["backfill"]["number"]) == (["2026-03-05", "2026-03-06"], 2)
    entry = pipeline.history(flows=["added"]).entries[0]
    assert (entry.mode, entry.backfill) == ("backfill", "2026-03-03 ≤ d < 2026-03-06")

    # The stream goes on, and late rows meet what the backfill made of memories and observations.
    assert statuses(pipeline) == {"succeeded"}
    days |= {item["d"] for item in later if not isinstance(item, str)}
    assert actual(tmp_path) == batch([*first, *later], people_of)
    assert statuses(pipeline) == {"unchanged"}
    again = fill(pipeline, "added", "2 days")
    assert (again.done_before, again.done, again.id != resumed.id) == (0, 2, True)
    assert pipeline.audit().holds, pipeline.audit()


@pytest.mark.spark
def test_a_backfill_takes_turns_with_a_stream_in_rounds_and_readers_of_what_was_appended_see_it(tmp_path: Path) -> None:
    file = write_project(tmp_path, BEFORE)
    pipeline, chosen = etl.load(file), ("added", "copied")
    first, later = events(3, 0, 20), events(4, 20, 10)
    land(tmp_path, "a.json", first)
    stop, results = threading.Event(), []
    request = RunRequest(mode="stream", trigger="0.2 seconds", select=chosen)

    def stream() -> None:
        results.append(run(pipeline.spec, request, stop=stop))

    rounds = threading.Thread(target=stream)
    rounds.start()
    try:
        until(rounds, lambda: len(table(tmp_path, "copied")) > 0)
        move(tmp_path, AFTER)
        done = fill(pipeline, "added", "1 day")
        land(tmp_path, "b.json", later)
        read = [item for item in (*first, *later) if not isinstance(item, str)]
        late = {item["seq"] for item in later if not isinstance(item, str)}
        expected = batch(
            read, lambda _, item: AFTER if item["seq"] in late or within(item["d"], LOW, HIGH) else BEFORE
        )["added"]
        until(rounds, lambda: table(tmp_path, "copied") == expected)
    finally:
        stop.set()
        rounds.join()
    assert (done.status, done.windows) == ("succeeded", 3)
    assert [item.status for item in results[0].flows] == ["succeeded", "succeeded"]
    assert table(tmp_path, "added") == expected
    assert pipeline.audit().holds, pipeline.audit()

    said = CliRunner().invoke(main, ["backfill", str(file), "--select", "added", *BOUNDS, "--column", "dd"])
    assert (said.exit_code, "did you mean 'd'?" in said.output) == (2, True), said.output
    said = CliRunner().invoke(main, ["backfill", str(file), "--select", "added", *BOUNDS, "--column", "d", "--json"])
    document = json.loads(said.stdout)
    assert (document["status"], document["windows"], document["mode"]) == ("succeeded", 1, "backfill")
    (tmp_path / "landing" / "events" / "a.json").unlink()
    with pytest.raises(HistoryLost, match=r"events: 1 file \(a.json\) is gone"):
        fill(pipeline, "added")
    file.write_text(file.read_text(encoding="utf-8").replace("name IS NOT NULL", "name > ''"), encoding="utf-8")
    with pytest.raises(FlowFailed, match="is not the one that wrote its target"):
        fill(etl.load(file), "added")


def test_without_a_target_or_a_flow_there_is_nothing_to_backfill_and_no_java_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    pipeline = etl.load(write_project(tmp_path, BEFORE))
    with pytest.raises(FlowFailed, match="has no target yet"):
        fill(pipeline, "added")
    with pytest.raises(ConfigurationError, match="did you mean 'added'"):
        fill(pipeline, "aded")


def until(rounds: threading.Thread, reached: Callable[[], bool]) -> None:
    """Wait as long as the stream lives."""
    deadline = time.monotonic() + 240
    while not reached():
        assert rounds.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.2)


def table(root: Path, flow: str) -> list[tuple[Any, ...]]:
    path = root / ".etl" / "local" / "tables" / "past" / flow
    return rows(path, COLUMNS["added"]) if list((path / "_delta_log").glob("*.json")) else []
