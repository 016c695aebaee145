"""A Delta source with column mapping whose column is renamed or dropped: a stream stops, and its advice helps."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.config.spec import Mode
from etl.planning.results import FlowResult
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: p
sources:
  lake: {format: delta, path: lake}
flows:
  kept: {inputs: [lake], incremental: rows, transform: {sql: "SELECT id FROM lake"}}
run: {retry: {max_retries: 1, min_retry_interval: 0.01 seconds, max_retry_interval: 0.01 seconds}}
"""


@pytest.mark.parametrize("change", ["RENAME COLUMN v TO w", "RENAME COLUMN v TO StopRequested", "DROP COLUMN v"])
def test_a_column_that_is_renamed_or_dropped_is_told_once_and_the_advice_helps(
    spark: SparkSession, tmp_path: Path, change: str
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yml").write_text(PIPELINE, encoding="utf-8")
    lake, target = f"delta.`{tmp_path}/lake`", tmp_path / ".etl/local/tables/p/kept"
    spark.sql(f"CREATE TABLE {lake} (id INT, v STRING) USING delta TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql(f"INSERT INTO {lake} VALUES (1, 'a')")

    def run(mode: Mode, *, full_refresh: bool = False) -> FlowResult:
        return etl.load(tmp_path / "pipelines/p.yml").run(mode=mode, full_refresh=full_refresh).flows[0]

    assert run("stream").status == "succeeded"
    spark.sql(f"ALTER TABLE {lake} {change}")
    spark.sql(f"INSERT INTO {lake} VALUES (2{', ' + repr('b') if 'RENAME' in change else ''})")
    stopped = run("stream")
    assert stopped.failure is not None
    assert (stopped.attempts, stopped.failure.transient) == (1, False)
    assert "--select kept --mode batch --full-refresh" in stopped.failure.hint
    assert run("batch", full_refresh=True).status == "succeeded"
    spark.sql(f"INSERT INTO {lake} VALUES (3{', ' + repr('c') if 'RENAME' in change else ''})")
    assert run("stream").status == "succeeded"
    assert rows(target) == [(1,), (2,), (3,)]
