"""`etl backfill`: a range computed anew with the snapshots as they are, and every row outside it left alone."""

from __future__ import annotations

import json
import random
import threading
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.engine import epoch
from etl.errors import ConfigurationError, EtlError, FlowFailed
from etl.notebook.pipeline import Pipeline
from etl.planning.backfill import windows
from tests.backfill_cases import FLOWS, actual, backfilled, batch, land, malformed, move, write_project
from tests.independent import rows, stamps

BEFORE = {"a": ("Anna", False), "b": ("Bob", False), "c": ("Cy", True)}
AFTER = {"a": ("Anne", False), "b": ("Bob", True), "d": ("Dee", False)}
DAY = date(2026, 3, 1)
LOW, HIGH = DAY + timedelta(2), DAY + timedelta(5)


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


def fill(pipeline: Pipeline, flow: str, low: date = LOW, high: date = HIGH, window: str | None = "2 days") -> Any:
    return pipeline.backfill(select=flow, start=str(low), end=str(high), column="d", window=window)


@pytest.mark.spark
def test_a_backfill_gives_its_range_what_a_batch_would_and_leaves_the_rest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = etl.load(write_project(tmp_path, BEFORE))
    first, second, third = events(1, 0, 40), events(2, 100, 40), events(3, 50, 40)
    land(tmp_path, "a.json", first)
    statuses(pipeline)
    land(tmp_path, "b.json", second)
    statuses(pipeline)
    before = batch([*first, *second], BEFORE)
    assert actual(tmp_path) == before
    move(tmp_path, AFTER)
    land(tmp_path, "c.json", third)  # arrived, and read by nobody yet

    write, calls = epoch.quarantine.write, []

    def dies_in_the_second_window(*arguments: Any, **named: Any) -> None:
        write(*arguments, **named)
        calls.append(1)
        if len(calls) == 2:
            raise OSError("the machine has gone")

    with monkeypatch.context() as dying:
        dying.setattr(epoch.quarantine, "write", dies_in_the_second_window)
        with pytest.raises(EtlError, match="the machine has gone"):
            fill(pipeline, "latest")
    resumed = fill(pipeline, "latest")
    assert (resumed.done_before, resumed.done, resumed.windows) == (1, 1, 2)
    again = fill(pipeline, "latest")
    assert (again.done_before, again.done, again.id != resumed.id) == (0, 2, True)
    for flow in FLOWS:
        if flow != "latest":
            assert fill(pipeline, flow).status == "succeeded"
    read = [*first, *second]
    expected = backfilled(before, batch(read, AFTER), read, LOW, HIGH)
    assert actual(tmp_path) == expected
    assert actual(tmp_path) != before
    assert [malformed(tmp_path, flow) for flow in ("added", "latest", "daily")] == [2, 2, 2]
    assert pipeline.audit().holds, pipeline.audit()

    (stamp,) = [
        item
        for item in stamps(tmp_path / ".etl/local/tables/past/added")
        if item.get("backfill", {}).get("number") == 1
    ]
    assert (stamp["epoch"], stamp["from"]) == (1, stamp["to"])
    assert (stamp["backfill"]["window"], stamp["backfill"]["of"]) == [["2026-03-03", "2026-03-05"], 2] or stamp
    entry = next(item for item in pipeline.history(flows=["added"]).entries)
    assert (entry.mode, entry.backfill) == ("backfill", "2026-03-03 ≤ d < 2026-03-06")

    # The stream goes on: late rows meet tombstones and observations of either time.
    assert statuses(pipeline) == {"succeeded"}
    assert statuses(pipeline) == {"unchanged"}
    read += third
    for flow in FLOWS:
        fill(pipeline, flow, DAY, DAY + timedelta(10), None)
    whole = batch(read, AFTER)
    without_a_day = {item["k"] for item in read if not isinstance(item, str) and item["d"] is None}
    found = actual(tmp_path)
    for name, table in whole.items():
        if name.split()[0] in ("added", "daily"):
            place = {"added": 1, "added quarantine": 2, "daily": 0, "daily quarantine": 1}[name]
            assert [row for row in found[name] if row[place]] == [row for row in table if row[place]], name
        else:
            at = 1 if name.endswith("quarantine") else 0
            assert [row for row in found[name] if row[at] not in without_a_day] == [
                row for row in table if row[at] not in without_a_day
            ], name
    assert pipeline.audit().holds
