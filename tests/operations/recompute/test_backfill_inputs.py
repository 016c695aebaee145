"""`etl backfill` over change feeds, a history by its own dates, and a Delta snapshot that moves, or is vacuumed, while a backfill lies dead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import etl
from etl.engine.crash_points import Point
from etl.engine.run import epoch_commit
from etl.errors import EtlError
from etl.notebook.pipeline import Pipeline
from tests.support.independent import rows

PIPELINE = """
version: 1
name: prices
sources:
  events: {format: json, path: landing, schema: "k STRING, seq BIGINT, cur STRING"}
  rates: {format: delta, path: lake/rates}
flows:
  latest: {inputs: [events], incremental: rows, sink: {strategy: merge, keys: [k], sequence_by: [seq]}}
  priced:
    inputs: {latest: changes, rates: snapshot}
    transform: {sql: "SELECT l.*, r.rate FROM latest l LEFT JOIN rates r ON l.cur = r.cur"}
    incremental: rows
    sink: {strategy: merge, keys: [k], sequence_by: [seq]}
  sums:
    inputs: {latest: changes, rates: snapshot}
    transform: {sql: "SELECT l.cur, r.rate, count(*) AS n FROM latest l LEFT JOIN rates r ON l.cur = r.cur GROUP BY l.cur, r.rate"}
    incremental: {groups: {cur: cur}}
  lives:
    inputs: {events: changes, rates: snapshot}
    transform: {sql: "SELECT e.k, e.seq, e.cur, r.rate FROM events e LEFT JOIN rates r ON e.cur = r.cur"}
    incremental: rows
    sink: {strategy: scd2, keys: [k], sequence_by: [seq], track: [rate], except_columns: [cur]}
run: {mode: stream, retry: {max_retries: 0}}
"""
Rates = dict[str, int]
FIRST, SECOND, THIRD = {"x": 1, "y": 2, "z": 2}, {"x": 10, "y": 20, "z": 20}, {"x": 100, "y": 200, "z": 300}
EVENTS = [{"k": f"k{number * 7 % 9}", "seq": number * 13 % 40, "cur": "xyz"[number * 5 % 3]} for number in range(40)]
LATER = [{"k": f"k{number % 3}", "seq": 100 + number, "cur": "z"} for number in range(6)]


def land(root: Path, name: str, events: list[dict[str, Any]]) -> None:
    (root / "landing").mkdir(exist_ok=True)
    (root / "landing" / name).write_text("".join(json.dumps(item) + "\n" for item in events), encoding="utf-8")


def rate(root: Path, rates: Rates) -> None:
    table = pa.table({"cur": pa.array(list(rates)), "rate": pa.array(list(rates.values()), pa.int64())})
    write_deltalake(str(root / "lake" / "rates"), table, mode="overwrite")


def winners() -> dict[str, dict[str, Any]]:
    return {item["k"]: item for item in sorted(EVENTS, key=lambda item: int(item["seq"]))}


def priced(of: dict[int, Rates]) -> list[tuple[Any, ...]]:
    """The winners; `of`: from which sequence on which rates hold."""
    found = [
        (item["k"], item["seq"], item["cur"], of[max(low for low in of if low <= item["seq"])][item["cur"]])
        for item in winners().values()
    ]
    return sorted(found, key=repr)


def lives(new: Rates, touched: set[str]) -> list[tuple[Any, ...]]:
    found = []
    for key in {item["k"] for item in EVENTS}:
        rates, versions = (new if key in touched else FIRST), []
        for item in sorted((item for item in EVENTS if item["k"] == key), key=lambda item: int(item["seq"])):
            if not versions or versions[-1][2] != rates[item["cur"]]:
                versions.append((key, item["seq"], rates[item["cur"]]))
        ends = [*(version[1] for version in versions[1:]), None]
        found += [(*version, version[1], end, end is None) for version, end in zip(versions, ends, strict=True)]
    return sorted(found, key=repr)


def dies_in_its_second_window(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    reached = []

    def reach(point: Point) -> None:
        reached.append(point)
        if reached.count(Point.TARGET_COMMITTING) == 2:
            raise OSError("the machine has gone")

    with monkeypatch.context() as dying:
        dying.setattr(epoch_commit, "reach", reach)
        with pytest.raises(EtlError, match="the machine has gone"):
            fill(pipeline)


def fill(pipeline: Pipeline) -> Any:
    return pipeline.backfill(select="priced", column="seq", start="0", end="36", window="30")


@pytest.mark.spark
def test_a_backfill_reads_feeds_where_they_were_read_and_a_delta_snapshot_as_it_was_when_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "prices.yml").write_text(PIPELINE, encoding="utf-8")
    pipeline, tables = etl.load(tmp_path / "pipelines" / "prices.yml"), tmp_path / ".etl/local/tables/prices"
    rate(tmp_path, FIRST)
    for name, events in (("a.json", EVENTS[:30]), ("b.json", EVENTS[30:])):
        land(tmp_path, name, events)
        assert pipeline.run().status == "succeeded"
    assert rows(tables / "priced", "k, seq, cur, rate") == priced({0: FIRST})
    assert rows(tables / "lives") == lives(FIRST, set())
    rate(tmp_path, SECOND)
    land(tmp_path, "c.json", LATER)
    assert pipeline.run(select=["latest"]).status == "succeeded", "which the others have not read"

    dies_in_its_second_window(pipeline, monkeypatch)
    rate(tmp_path, THIRD)
    resumed = fill(pipeline)
    assert (resumed.done_before, resumed.done) == (1, 1)
    assert rows(tables / "priced", "k, seq, cur, rate") == priced({0: SECOND, 36: FIRST})

    dies_in_its_second_window(pipeline, monkeypatch)
    rate(tmp_path, FIRST)
    rate(tmp_path, THIRD)
    DeltaTable(tmp_path / "lake" / "rates").vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    again = fill(pipeline)
    assert (again.done_before, again.done) == (0, 2), "what it had read cannot be read any more"
    assert rows(tables / "priced", "k, seq, cur, rate") == priced({0: THIRD, 36: FIRST})

    done = pipeline.backfill(select="lives", column="valid_from", start="0", end="4")
    touched = {item["k"] for item in EVENTS if int(item["seq"]) < 4}
    assert done.done == 1
    assert 0 < len(touched) < 9
    assert rows(tables / "lives") == lives(THIRD, touched)
    pipeline.backfill(select="sums", column="cur", start="y", end="z")
    counts = [item["cur"] for item in winners().values()]
    expected = [(cur, {**FIRST, "y": 200}[cur], counts.count(cur)) for cur in sorted(set(counts))]
    assert rows(tables / "sums", "cur, rate, n") == sorted(expected, key=repr)
    assert pipeline.audit().holds, pipeline.audit()

    # The streams go on behind the feed, from where they were.
    assert pipeline.run().status == "succeeded"
    late = {"k0", "k1", "k2"}
    new = [(f"k{number % 3}", 100 + number, "z", 300) for number in (3, 4, 5)]
    kept = [row for row in priced({0: THIRD, 36: FIRST}) if row[0] not in late]
    assert rows(tables / "priced", "k, seq, cur, rate") == sorted([*kept, *new], key=repr)
    assert pipeline.audit().holds, pipeline.audit()
