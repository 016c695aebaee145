"""Columns that an input gains while a generation lives: refused before anything is written, or added, alike in both modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pyspark.sql import SparkSession

import etl
from tests.support.independent import connection, register

PIPELINE = """
version: 1
name: grow
sources: {raw: {format: delta, path: raw}}
flows:
  strict: {inputs: [raw], incremental: rows}
  kept: {inputs: [raw], incremental: rows, sink: {schema_evolution: add_columns}}
  newest:
    inputs: [raw]
    incremental: rows
    expectations: {positive: {expr: id > 0, on_violation: quarantine}}
    sink: {strategy: merge, keys: [id], sequence_by: [seq], delete_when: seq > 90, schema_evolution: add_columns}
  versions:
    inputs: [raw]
    incremental: rows
    sink: {strategy: scd2, keys: [id], sequence_by: [seq], schema_evolution: add_columns}
"""
TABLES = ("tables/grow/kept", "tables/grow/newest", "tables/grow/versions", "quarantine/grow/newest")


def append(spark: SparkSession, root: Path, query: str, *, merge: bool = False) -> None:
    writing = spark.sql(query).write.format("delta").mode("append").option("mergeSchema", str(merge).lower())
    writing.save(str(root / "raw"))


def contents(root: Path) -> dict[str, list[str]]:
    found = {}
    for place in TABLES:
        duck = connection()
        register(duck, "found", root / ".etl" / "local" / place)
        names = sorted(item[0] for item in duck.sql("DESCRIBE found").fetchall() if not item[0].startswith("_etl_"))
        found[place] = [str(names), *sorted(map(repr, duck.sql(f"SELECT {', '.join(names)} FROM found").fetchall()))]
    return found


def test_new_columns_fail_a_flow_before_it_writes_or_are_added_as_a_batch_would_have_them(
    spark: SparkSession, project: Callable[[Mapping[str, str]], Path]
) -> None:
    root = project({"pipelines/grow.yml": PIPELINE})
    append(spark, root, "SELECT 1 AS id, 1 AS seq UNION ALL SELECT -1, 1")
    assert etl.load("grow").run(mode="stream").status == "succeeded"
    append(
        spark,
        root,
        "SELECT 1 AS id, 2 AS seq, 'new' AS note UNION ALL SELECT 2, 99, 'gone' UNION ALL SELECT -2, 3, 'bad'",
        merge=True,
    )
    result = etl.load("grow").run(mode="stream")
    told = {flow.flow: flow.failure for flow in result.flows}
    refused = told["strict"]
    assert refused is not None
    assert "[E348] flow 'strict' returns columns that its target does not have: note" in refused.message
    assert "schema_evolution: add_columns" in refused.message
    assert not refused.transient
    assert [flow.attempts for flow in result.flows if flow.flow == "strict"] == [1]
    assert (told["kept"], told["newest"], told["versions"]) == (None, None, None)
    streamed = contents(root)
    assert "'bad'" in str(streamed["quarantine/grow/newest"])
    assert len(streamed["tables/grow/versions"]) == 1 + 5
    assert etl.load("grow").run(mode="batch").status == "succeeded"
    assert contents(root) == streamed
    assert etl.load("grow").audit().holds
