"""Timestamps far from now: stored so that every reader reads them alike; tables of builds that stored INT96 are named, and a batch rebuilds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.config.checks import pinned_settings
from etl.engine.metadata.parquet_footer import INT96, physical_types
from etl.engine.run import prepare
from tests.support.independent import rows

PIPELINE = """
    version: 1
    name: until
    sources:
      prices: {format: json, path: ./landing, schema: "id INT, until TIMESTAMP", on_malformed: quarantine}
    flows:
      prices_all: {inputs: [prices]}
      newest: {inputs: [prices], sink: {strategy: merge, keys: [id], sequence_by: until}}
      ids: {inputs: [prices], transform: {sql: "SELECT id FROM prices"}}
    """
LANDING = """
{"id":1,"until":"9999-12-31T00:00:00Z"}
{"id":2,"until":"1600-01-01T00:00:00Z"}
{"id":3,"until":"2024-01-01T00:00:00Z"}
"""
FAR = [(1, 253402214400000000), (2, -11676096000000000), (3, 1704067200000000)]


def instants(root: Path, flow: str) -> list[tuple[int, int]]:
    return sorted(rows(root / ".etl" / "local" / "tables" / "until" / flow, "id, epoch_us(until)"))


def int96(root: Path) -> set[str]:
    """The flows that hold a file with INT96."""
    files = (root / ".etl" / "local" / "tables" / "until").rglob("*.parquet")
    return {file.parent.name for file in files if INT96 in physical_types(file)}


@pytest.mark.spark
def test_a_table_of_an_older_build_is_named_and_resumes_and_only_a_batch_rebuilds_it(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"pipelines/until.yml": PIPELINE, "landing/1.json": LANDING})
    pipeline = etl.load("until")
    with monkeypatch.context() as older:  # what builds up to f0fa0e3 left to Spark, and did not record
        older.delitem(pinned_settings.PINNED, "spark.sql.parquet.outputTimestampType")
        older.setattr(prepare, "MICROS", "")
        assert pipeline.run(mode="batch").status == "succeeded"
    assert int96(root) == {"prices_all", "newest"}
    for mode in ("batch", "stream"):
        plan = pipeline.plan(mode=mode)
        actions = {flow.flow.name: flow.action for flow in plan.flows}
        assert actions["ids"] == "unchanged"
        assert actions["prices_all"] == ("new generation" if mode == "batch" else "unchanged")
        told = " ".join([*plan.warnings, *(flow.reason for flow in plan.flows)])
        assert told.count("its target stores timestamps as INT96") == len(int96(root))
    audit = pipeline.audit()
    assert audit.holds
    assert [bool(flow.notes) for flow in audit.flows] == [True, True, False]

    (root / "landing" / "2.json").write_text('{"id":4,"until":"2025-01-01T00:00:00Z"}', encoding="utf-8")
    assert {flow.generation for flow in pipeline.run(mode="stream").flows} == {0}
    assert [flow.status for flow in pipeline.run(mode="batch").flows] == ["succeeded", "succeeded", "unchanged"]
    assert int96(root) == {"prices_all", "newest"}, "what was replaced is still there for who reads older versions"
    assert instants(root, "prices_all") == instants(root, "newest") == sorted([*FAR, (4, 1735689600000000)])
    assert pipeline.run(mode="batch").status == "unchanged"
    assert not any(flow.notes for flow in pipeline.audit().flows)
