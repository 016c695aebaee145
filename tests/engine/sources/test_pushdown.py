"""Columns that no transform asks for are not read, and filters go down to the files: in batches and in each epoch of a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import orc
from pyspark.sql import SparkSession

import etl
from etl.engine.run import epoch
from tests.support.independent import rows

pytestmark = pytest.mark.spark

WIDE = 30
SCHEMA = "id BIGINT, " + ", ".join(f"c{number} BIGINT" for number in range(WIDE))
PIPELINE = """
version: 1
name: wide
sources:
  of_parquet: {{format: parquet, path: parquet, schema: "{schema}"}}
  of_orc: {{format: orc, path: orc, schema: "{schema}"}}
  of_table: {{format: delta, path: table}}
flows:
  parquet_rows: {{inputs: [of_parquet], incremental: rows, transform: {{sql: "SELECT id, c3 FROM of_parquet WHERE c5 > 2"}}}}
  orc_rows: {{inputs: [of_orc], incremental: rows, transform: {{sql: "SELECT id, c3 FROM of_orc WHERE c5 > 2"}}}}
  table_rows: {{inputs: [of_table], incremental: rows, transform: {{sql: "SELECT id, c3 FROM of_table WHERE c5 > 2"}}}}
  parquet_full: {{inputs: [of_parquet], incremental: full, transform: {{sql: "SELECT id, c3 FROM of_parquet WHERE c5 > 2"}}}}
  table_full: {{inputs: [of_table], incremental: full, transform: {{sql: "SELECT id, c3 FROM of_table WHERE c5 > 2"}}}}
  merged:
    inputs: [of_parquet]
    incremental: rows
    transform: {{sql: "SELECT id, c3 FROM of_parquet WHERE c5 > 2"}}
    sink: {{strategy: merge, keys: [id], sequence_by: [c3]}}
"""
FLOWS = ("parquet_rows", "orc_rows", "table_rows", "parquet_full", "table_full", "merged")
# Counts of orc are observed where its rows are read, and no filter goes through that.
FILTERED = tuple(flow for flow in FLOWS if flow != "orc_rows")


def land(root: Path, first: int) -> None:
    ids = range(first, first + 4)
    table = pa.table({"id": ids, **{f"c{number}": [each + number for each in ids] for number in range(WIDE)}})
    for name in ("parquet", "orc"):
        (root / name).mkdir(exist_ok=True)
    pq.write_table(table, root / "parquet" / f"{first}.parquet")
    orc.write_table(table, root / "orc" / f"{first}.orc")
    write_deltalake(root / "table", table, mode="append")


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Flow → the physical plan of each of its epochs, as soon as it has run."""
    seen: dict[str, list[str]] = {}
    checked_rows = epoch.checked_rows

    def noted(job: Any, output: Any) -> Any:
        plan = output.rows._jdf.queryExecution().executedPlan().toString()  # noqa: SLF001  # `explain()` prints, and flows run side by side
        seen.setdefault(job.flow.name, []).append(plan)
        return checked_rows(job, output)

    monkeypatch.setattr(epoch, "checked_rows", noted)
    return seen


@pytest.mark.parametrize("way", [("batch", "batch"), ("stream", "stream"), ("batch", "stream")])
def test_an_epoch_reads_the_columns_that_are_asked_for_and_pushes_filters_down(
    spark: SparkSession,
    project: Callable[[Mapping[str, str]], Path],
    plans: dict[str, list[str]],
    way: tuple[str, str],
) -> None:
    root = project({"pipelines/wide.yml": PIPELINE.format(schema=SCHEMA)})
    results = []
    for first, mode in zip((0, 4), way, strict=True):
        land(root, first)
        result = etl.load("wide").run(mode=mode)
        assert {flow.flow: flow.failure.message for flow in result.flows if flow.failure} == {}
        results.append({flow.flow: flow.counts for flow in result.flows})
    for flow in FLOWS:
        assert len(plans[flow]) == 2
        for plan in plans[flow]:
            assert set(re.findall(r"ReadSchema: struct<([^>]*)>", plan)) == {"id:bigint,c3:bigint,c5:bigint"}, plan
            if flow in FILTERED:
                assert "GreaterThan(c5,2)" in plan, plan
        kept = [(each, each + 3) for each in range(8) if each + 5 > 2]
        assert rows(root / ".etl/local/tables/wide" / flow) == sorted(kept, key=repr)
    again = way[1] == "batch"
    for flow in FLOWS:
        whole = again or flow.endswith("full")
        assert [counts[flow].read for counts in results] == [4, 8 if whole else 4], flow


APPENDED = """
version: 1
name: appended
sources: {of_table: {format: delta, path: table}}
flows:
  kept: {inputs: [of_table], incremental: rows, transform: {sql: "SELECT id, c3 FROM of_table WHERE c5 > 2"}}
"""


@pytest.mark.parametrize("first", ["batch", "stream"])
def test_versions_that_bring_no_row_bring_none_twice(
    spark: SparkSession, project: Callable[[Mapping[str, str]], Path], first: str
) -> None:
    root = project({"pipelines/appended.yml": APPENDED})
    kept, read = root / ".etl/local/tables/appended/kept", []
    for step, mode in enumerate((first, "stream", "stream", "stream")):
        if step in (0, 2):
            land(root, step * 4)
            land(root, step * 4 + 4)
        elif step == 1:
            DeltaTable(root / "table").optimize.compact()  # a commit without new rows
        result = etl.load("appended").run(mode=mode)
        assert result.flows[0].failure is None, result.flows[0].failure
        read.append(result.flows[0].counts.read)
    assert read == [8, 0, 8, 0]
    assert rows(kept, "id") == sorted(((each,) for each in range(16) if each + 5 > 2), key=repr)


NARROW = """
version: 1
name: narrow
sources:
  of_parquet: {format: parquet, path: parquet, schema: "id BIGINT, small TINYINT"}
  of_orc: {format: orc, path: orc, schema: "id BIGINT, small INT"}
flows:
  of_p: {inputs: [of_parquet], incremental: rows, transform: {sql: "SELECT id FROM of_parquet WHERE id > 100"}}
  of_o: {inputs: [of_orc], incremental: rows, transform: {sql: "SELECT id FROM of_orc WHERE id > 100"}}
"""


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_value_that_does_not_fit_is_found_in_a_column_and_a_row_that_nobody_asks_for(
    spark: SparkSession, project: Callable[[Mapping[str, str]], Path], mode: str
) -> None:
    root = project({"pipelines/narrow.yml": NARROW})
    for name in ("parquet", "orc"):
        (root / name).mkdir()
    pq.write_table(pa.table({"id": [1, 2], "small": pa.array([5, 200], pa.uint8())}), root / "parquet/1.parquet")
    orc.write_table(pa.table({"id": [1, 2], "small": pa.array([5, 200], pa.int64())}), root / "orc/1.orc")
    failures = {flow.flow: flow.failure for flow in etl.load("narrow").run(mode=mode).flows}
    for flow, file in (("of_p", "parquet/1.parquet"), ("of_o", "orc/1.orc")):
        failure = failures[flow]
        assert failure is not None, flow
        assert (failure.kind, failure.transient) == ("expectation", False), failure
        assert file in failure.message, failure.message
