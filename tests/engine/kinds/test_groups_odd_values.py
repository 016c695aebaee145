"""Groups of values at the edges: a clock that is set back by half an hour, years that Python does not know, dotted names, a table of quarantine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

PIPELINE = """
    version: 1
    name: odd
    sources:
      events: {format: json, path: landing, schema: "id BIGINT, ts TIMESTAMP, `a.b` STRING, v INT"}
      aside: {format: delta, path: aside}
    flows:
      hours:
        inputs: [events]
        run: {timezone: Australia/Lord_Howe}
        transform: {sql: "SELECT date_trunc('HOUR', ts) AS h, count(*) AS n FROM events GROUP BY 1"}
        incremental: {groups: {h: "date_trunc('HOUR', ts)"}}
      dates:
        inputs: [events]
        transform: {sql: "SELECT date_add(DATE'9999-12-30', v) AS d, count(*) AS n FROM events GROUP BY 1"}
        incremental: {groups: {d: "date_add(DATE'9999-12-30', v)"}}
      dotted:
        inputs: [events]
        transform: {sql: "SELECT `a.b`, count(*) AS n FROM events GROUP BY `a.b`"}
        incremental: {groups: {a.b: "`a.b`"}}
      reasons:
        inputs: [aside]
        transform: {sql: "SELECT _etl_reason AS reason, count(*) AS n FROM aside GROUP BY _etl_reason"}
        incremental: {groups: {reason: _etl_reason}}
    """


@pytest.mark.spark
def test_the_groups_of_a_stream_are_those_of_a_batch(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession
) -> None:
    root = project({"pipelines/odd.yml": PIPELINE})
    # All three lie in the hour of ninety minutes in which Lord Howe Island sets its clocks back.
    for number, at in enumerate(("2023-04-01T14:40:00Z", "2023-04-01T15:10:00Z", "2023-04-01T14:20:00Z")):
        event = {"id": number, "ts": at, "a.b": "x", "v": number}
        (root / "landing").mkdir(exist_ok=True)
        (root / "landing" / f"{number}.json").write_text(json.dumps(event), encoding="utf-8")
        aside = spark.createDataFrame([("malformed", "text", 0)], "_etl_reason STRING, _etl_record STRING, id INT")
        aside.write.format("delta").mode("append").save(str(root / "aside"))
        result = etl.load("odd").run(mode="stream")
        assert result.status == "succeeded", [flow.failure for flow in result.flows]
    tables = root / ".etl" / "local" / "tables" / "odd"
    assert [found[1] for found in rows(tables / "hours")] == [3]
    assert [found[0] for found in rows(tables / "dates", "n")] == [1, 1, 1]
    assert rows(tables / "dotted", '"a.b", n') == [("x", 3)]
    assert rows(tables / "reasons") == [("malformed", 3)]


BAD = """
    version: 1
    name: bad
    sources: {events: {format: csv, path: landing, schema: "id STRING, v INT"}}
    flows:
      f:
        inputs: [events]
        transform: {sql: "SELECT CAST(id AS INT) AS k, sum(v) AS s FROM events WHERE v > 0 GROUP BY CAST(id AS INT)"}
        incremental: {groups: {k: "CAST(id AS INT)"}}
        run: {retry: {max_retries: 0}}
    """


@pytest.mark.spark
def test_a_group_that_cannot_be_computed_is_told_with_its_expression(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession
) -> None:
    """Even of a row that the transform leaves out: which rows it leaves out, nothing but itself can tell."""
    root = project({"pipelines/bad.yml": BAD, "landing/1.csv": "1,5\n"})
    assert etl.load("bad").run(mode="stream").status == "succeeded"
    (root / "landing" / "2.csv").write_text("x,0\n", encoding="utf-8")
    refused = etl.load("bad").run(mode="stream").flows[0].failure
    assert refused is not None
    assert "CAST_INVALID_INPUT" in refused.message
    assert "a group's (CAST(id AS INT)) is computed for every row" in refused.hint
    assert "write try_cast there and in the transform" in refused.hint
    pipeline = root / "pipelines" / "bad.yml"
    pipeline.write_text(BAD.replace("CAST(", "try_cast("), encoding="utf-8")
    assert etl.load("bad").run(mode="stream").status == "succeeded"
    assert rows(root / ".etl" / "local" / "tables" / "bad" / "f") == [(1, 5)]
