"""`run_ts()`: one instant for all rows of an epoch, recorded with it, and the same when the epoch is tried again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

import etl
from etl.config.sql import run_ts
from etl.engine.crash_points import Crash, Point, armed
from etl.planning.sql import classify_flow
from tests.support.independent import rows, stamps

YAML = """
version: 1
name: when
run: {timezone: America/New_York}
sources:
  events: {format: csv, path: landing, schema: "id INT, who STRING"}
flows:
  kept:
    inputs: [events]
    transform: {sql: "SELECT id, 'run_ts()' AS said, run_ts() AS at, RUN_TS( ) AS again FROM events"}
    equality: {ignore: [at, again]}
    expectations: {few: {expr: id % 10 > 0, on_violation: quarantine}}
  latest:
    inputs: [events]
    transform: {sql: "SELECT who, max(id) AS id, run_ts() AS at FROM events GROUP BY who"}
    incremental: {groups: {who: who}}
    equality: {ignore: [at]}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT run_ts() AS at", "SELECT :_run_ts AS at"),
        ("SELECT Run_TS( ) FROM t", "SELECT :_run_ts  FROM t"),
        ("SELECT 'run_ts()', `run_ts()` -- run_ts()", "SELECT 'run_ts()', `run_ts()` -- run_ts()"),
        ("SELECT my_run_ts(), t.run_ts(), run_ts(1), run_ts", "SELECT my_run_ts(), t.run_ts(), run_ts(1), run_ts"),
    ],
)
def test_only_a_call_is_replaced_and_every_other_character_stays_in_its_place(text: str, expected: str) -> None:
    assert run_ts.bound(text, recorded="2024-01-01T00:00:00+00:00") == expected
    assert run_ts.found_in(text) == (text != expected)


@pytest.mark.spark
def test_every_row_of_an_epoch_has_the_recorded_instant_also_where_the_first_attempt_died(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "when.yml").write_text(YAML, encoding="utf-8")
    (tmp_path / "landing").mkdir()
    pipeline = etl.load(tmp_path / "pipelines" / "when.yml")
    tables, quarantine = (tmp_path / ".etl" / "local" / name / "when" for name in ("tables", "quarantine"))
    flow = next(item for item in pipeline.spec.flows if item.name == "kept")
    assert classify_flow(flow).kind == "rows"  # a function that is known

    def land(first: int) -> None:
        text = "".join(f"{number},{'ab'[number % 2]}\n" for number in range(first, first + 10))
        (tmp_path / "landing" / f"{first}.csv").write_text(text, encoding="utf-8")

    def recorded(flow: str) -> dict[int, datetime]:
        return {item["epoch"]: datetime.fromisoformat(item["run_ts"]) for item in stamps(tables / flow)}

    land(0)
    assert pipeline.run(mode="batch").status == "succeeded"
    land(10)
    with armed(Point.QUARANTINE_COMMITTED) as point, pytest.raises(Crash):
        pipeline.run(mode="stream", select=["kept"])
    assert point.crashed
    assert pipeline.run(mode="stream").status == "succeeded"
    of = recorded("kept")
    found = rows(tables / "kept")
    assert found == sorted(((n, "run_ts()", of[n // 10], of[n // 10]) for n in range(20) if n % 10), key=repr)
    assert of[0] < of[1]
    # The first attempt had committed these, before it died.
    assert rows(quarantine / "kept", '_etl_epoch, id, "at"') == [(0, 0, of[0]), (1, 10, of[1])]
    assert rows(tables / "latest", 'who, id, "at"') == [
        (who, n, recorded("latest")[1]) for who, n in (("a", 18), ("b", 19))
    ]
    assert pipeline.audit().holds
