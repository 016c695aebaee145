"""A run that dies between the quarantine and the target, and inputs that move before the next one: no row is lost, and none is twice."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.engine.crash_points import Crash, Point, armed
from tests.support.independent import rows

PIPELINE = """
    version: 1
    name: shop
    sources:
      orders: {format: csv, path: landing, schema: "id INT, who STRING", on_malformed: quarantine}
      people: {format: csv, path: people.csv, schema: "who STRING, name STRING"}
    flows:
      named:
        inputs: {orders: changes, people: {read: snapshot, on_change: keep}}
        transform: {sql: "SELECT o.id, p.name FROM orders o LEFT JOIN people p ON o.who = p.who"}
        incremental: rows
        expectations: {known: {expr: name IS NOT NULL, on_violation: quarantine}}
      counted:
        inputs: [orders]
        transform: {sql: "SELECT who, count(*) AS n FROM orders GROUP BY who"}
        incremental: full
    """
AT = (Point.QUARANTINE_COMMITTED, Point.TARGET_COMMITTING)


def tables(root: Path, flow: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    storage = root / ".etl" / "local"
    aside = rows(storage / "quarantine" / "shop" / flow, "_etl_reason, _etl_record") if flow == "counted" else None
    if aside is None:
        aside = rows(storage / "quarantine" / "shop" / flow, "_etl_reason, id")
    return rows(storage / "tables" / "shop" / flow), aside


def dies(flow: str, point: Point, mode: str = "stream") -> None:
    with armed(point) as trap, contextlib.suppress(Crash):
        etl.load("shop").run(mode=mode, select=[flow])  # type: ignore[arg-type]  # a mode
    assert trap.crashed


@pytest.mark.spark
@pytest.mark.parametrize("point", AT)
@pytest.mark.parametrize("first", ["nothing was committed", "an epoch was committed"])
def test_a_snapshot_that_moved_since_makes_a_stream_begin_anew(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession, point: Point, first: str
) -> None:
    root = project({"pipelines/shop.yml": PIPELINE, "people.csv": "a,Anna\n"})
    (root / "landing").mkdir()
    expected = []
    if first == "an epoch was committed":
        (root / "landing" / "0.csv").write_text("0,a\n", encoding="utf-8")
        assert etl.load("shop").run(mode="stream", select=["named"]).status == "succeeded"
        expected = [(0, None)]
    (root / "landing" / "1.csv").write_text("1,a\n2,b\n", encoding="utf-8")
    dies("named", point)
    # What was quarantined by the old file would pass by the new one, and what passed would be quarantined.
    (root / "people.csv").write_text("b,Bob\n", encoding="utf-8")
    (planned,) = etl.load("shop").plan(mode="stream", select=["named"]).flows
    assert planned.action == "new generation"
    assert "was interrupted, and people can no longer be read as that epoch read it" in planned.reason
    assert etl.load("shop").run(mode="stream", select=["named"]).status == "succeeded"
    target, aside = tables(root, "named")
    assert target == [(2, "Bob")]
    assert sorted(aside) == sorted([*(("known", row[0]) for row in expected), ("known", 1)])
    assert etl.load("shop").audit().holds


@pytest.mark.spark
@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_files_that_came_since_are_set_aside_by_a_flow_that_reads_all_of_them(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession, mode: str
) -> None:
    root = project({"pipelines/shop.yml": PIPELINE, "people.csv": "a,Anna\n", "landing/0.csv": "0,a\nx,a\n"})
    dies("counted", Point.QUARANTINE_COMMITTED, mode)
    (root / "landing" / "1.csv").write_text("1,b\ny,b\n", encoding="utf-8")
    assert etl.load("shop").run(mode="stream", select=["counted"]).status == "succeeded"
    assert tables(root, "counted") == (
        [("a", 1), ("b", 1)],
        [("malformed", "x,a"), ("malformed", "y,b")],
    )


@pytest.mark.spark
def test_what_did_not_move_is_gone_on_with(project: Callable[[Mapping[str, str]], Path], spark: SparkSession) -> None:
    root = project({"pipelines/shop.yml": PIPELINE, "people.csv": "a,Anna\n", "landing/0.csv": "0,a\n1,b\n"})
    dies("named", Point.QUARANTINE_COMMITTED)
    (planned,) = etl.load("shop").plan(mode="stream", select=["named"]).flows
    assert planned.action == "resume"
    (result,) = etl.load("shop").run(mode="stream", select=["named"]).flows
    assert (result.status, result.generation) == ("succeeded", 0)
    assert tables(root, "named") == ([(0, "Anna")], [("known", 1)])


@pytest.mark.spark
def test_a_version_of_a_table_that_is_gone_makes_a_stream_begin_anew(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession
) -> None:
    people = 'people: {format: csv, path: people.csv, schema: "who STRING, name STRING"}'
    root = project({"pipelines/shop.yml": PIPELINE.replace(people, "people: {format: delta, path: people}")})
    (root / "landing").mkdir()
    (root / "landing" / "1.csv").write_text("1,a\n2,b\n", encoding="utf-8")
    columns = "who STRING, name STRING"
    spark.createDataFrame([("a", "Anna")], columns).write.format("delta").save(str(root / "people"))
    dies("named", Point.QUARANTINE_COMMITTED)
    shutil.rmtree(root / "people")
    spark.createDataFrame([("b", "Bob")], columns).write.format("delta").save(str(root / "people"))
    assert etl.load("shop").run(mode="stream", select=["named"]).status == "succeeded"
    assert tables(root, "named") == ([(2, "Bob")], [("known", 1)])
