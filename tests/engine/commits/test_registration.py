"""Targets known by name: registered where they lie, and never over somebody else's table."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

YAML = """
version: 1
name: named
sources:
  things: {format: csv, path: landing, schema: "id INT"}
flows:
  copied: {inputs: [things], incremental: rows, sink: {table: sales.things}}
"""


@pytest.mark.spark
def test_a_target_is_registered_where_it_lies_under_the_environment_s_prefix(
    tmp_path: Path, spark: SparkSession
) -> None:
    for name, text in (
        ("pipelines/named.yml", YAML),
        ("conf/local.yml", "catalog: spark_catalog\n"),
        ("landing/a.csv", "1\n"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    pipeline = etl.load(tmp_path / "pipelines" / "named.yml")
    target = tmp_path / ".etl/local/tables/named/copied"
    try:
        (flow,) = pipeline.run(mode="batch").flows
        assert flow.failure is None
        assert [row.id for row in spark.table("sales.things").collect()] == [1]
        (tmp_path / "landing" / "b.csv").write_text("2\n", encoding="utf-8")
        assert pipeline.run(mode="stream").status == "succeeded"
        assert sorted(row.id for row in spark.table("spark_catalog.sales.things").collect()) == [1, 2]
        assert pipeline.audit().holds
        spark.sql("DROP TABLE sales.things")
        assert pipeline.run(mode="stream").status == "unchanged"
        assert spark.table("sales.things").count() == 2
        assert rows(target) == [(1,), (2,)]

        spark.sql("DROP TABLE sales.things")
        spark.range(1).write.format("delta").save(str(tmp_path / "theirs"))
        spark.sql(f"CREATE TABLE sales.things USING DELTA LOCATION '{tmp_path / 'theirs'}'")
        (tmp_path / "landing" / "c.csv").write_text("3\n", encoding="utf-8")
        (flow,) = pipeline.run(mode="stream").flows
        assert flow.failure is not None
        assert f"registered at {tmp_path / 'theirs'}" in flow.failure.message
        assert str(target) in flow.failure.message
        assert rows(target) == [(1,), (2,)]
    finally:
        spark.sql("DROP SCHEMA IF EXISTS sales CASCADE")
