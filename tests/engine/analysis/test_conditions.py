"""Expectations, delete_when and groups are judged over the rows' columns before anything is written, each at its own place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

import etl
from etl.config.diagnostics import Location
from etl.config.spec import EqualitySpec, ExpectationSpec, FlowSpec, GroupSpec, InputSpec, SinkSpec
from etl.engine.analysis import conditions
from etl.errors import ConfigurationError

pytestmark = pytest.mark.spark

AT, SINK = Location(Path("pipelines/p.yml"), 7, 13), Location(Path("pipelines/p.yml"), 9, 5)


def refused(
    spark: SparkSession, expr: str | None, delete_when: str | None = None, ignore: tuple[str, ...] = ()
) -> list[str]:
    flow = FlowSpec(
        "f",
        (InputSpec("orders"),),
        expectations=(ExpectationSpec("x", expr, "drop", AT),) if expr else (),
        sink=SinkSpec("merge", keys=("id",), sequence_by=("id",), delete_when=delete_when, at=SINK),
        equality=EqualitySpec(ignore=ignore),
    )
    output = spark.createDataFrame([], "id BIGINT, who STRING, m MAP<STRING, INT>").selectExpr("*", "now() AS seen")
    try:
        conditions.check_rows(flow, output)
    except ConfigurationError as cause:
        return [
            f"{item.at.line}:{item.at.column} {item.code} {item.message} ({item.hint})" for item in cause.diagnostics
        ]
    return []


def test_a_condition_that_is_the_same_in_every_run_is_taken(spark: SparkSession) -> None:
    assert refused(spark, "id > 1 AND who IS NOT NULL", "who = 'gone'") == []
    assert refused(spark, "NULL") == []


@pytest.mark.parametrize(
    ("expr", "told"),
    [
        ("rand() < 0.5", "E262 expectation 'x' of flow 'f' uses rand(), whose value differs from run to run"),
        ("id > 1 OR now() > DATE'2024-01-01'", "E262 expectation 'x' of flow 'f' uses now()"),
        ("seen > DATE'2024-01-01'", "E262 expectation 'x' of flow 'f' uses the column 'seen'"),
        ("idd > 1", "E349 expectation 'x' of flow 'f' is not understood: there is no column 'idd': idd > 1 (the transform returns: id, who, m, seen)"),
        ("who", "E349 expectation 'x' of flow 'f' is of type STRING: who"),
        ("id > m", "E349 expectation 'x' of flow 'f' is not understood: Cannot resolve"),
    ],
)  # fmt: skip
def test_any_other_is_refused_at_its_place(spark: SparkSession, expr: str, told: str) -> None:
    (found,) = refused(spark, expr, ignore=("seen",))
    assert found.startswith(f"7:13 {told}"), found
    assert "Project" not in found, "a plan is no message"


@pytest.mark.parametrize(("text", "code"), [("gone", "E349"), ("id", "E349"), ("uuid() = who", "E262")])
def test_so_is_a_delete_when(spark: SparkSession, text: str, code: str) -> None:
    (found,) = refused(spark, None, text)
    assert found.startswith(f"9:5 {code} delete_when of flow 'f' "), found


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("kk", "there is no column 'kk'"),
        ("orders.k", "there is no column 'orders.k'"),
        ("m", "is of type MAP<STRING,INT>"),
    ],
)
def test_so_is_a_group(spark: SparkSession, expression: str, told: str) -> None:
    flow = FlowSpec("f", (InputSpec("orders"),), groups=(GroupSpec("k", (("orders", expression),), AT),))
    with pytest.raises(ConfigurationError) as cause:
        conditions.check_groups(flow, {"orders": spark.createDataFrame([], "k STRING, m MAP<STRING, INT>")})
    (found,) = cause.value.diagnostics
    assert (found.code, found.at, told in found.message) == ("E349", AT, True), found.message


PIPELINE = """
    version: 1
    name: p
    sources:
      orders: {format: csv, path: landing, schema: "id INT, who STRING"}
    flows:
      all_partitioned: {inputs: [orders], incremental: rows, sink: {partition_by: [id, who]}}
      doubtful: {inputs: [orders], incremental: rows, expectations: {x: {expr: "CAST(who AS DATE) < 'today'", on_violation: drop}}}
      typed: {inputs: [orders], transform: {python: "passing:on"}, incremental: rows, sink: {strategy: merge, keys: [id], sequence_by: [id], delete_when: nobody}}
    """


def test_a_mistake_is_told_at_once_and_nothing_is_written(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession
) -> None:
    python = "def on(orders):\n    return orders\n"  # whose columns only Spark knows
    root = project({"pipelines/p.yml": PIPELINE, "pipelines/passing.py": python, "landing/1.csv": "1,a\n"})
    result = etl.load("p").run(mode="stream")
    found = {flow.flow: flow for flow in result.flows}
    assert {flow.attempts for flow in result.flows} == {1}, "no retry mends a mistake"
    failures = {name: flow.failure for name, flow in found.items() if flow.failure is not None}
    assert failures.keys() == found.keys()
    assert "[E157]" in failures["all_partitioned"].message
    assert {failure.kind for failure in failures.values()} == {"configuration"}
    assert "p.yml:8:" in failures["doubtful"].message
    assert "there is no column 'nobody'" in failures["typed"].message
    assert not list(root.rglob("tables/p/doubtful/*")), "nothing half-written"
    with pytest.raises(AnalysisException):  # after a run, too, Spark tells its user of a mistake of theirs
        spark.range(1).select("nope").collect()
