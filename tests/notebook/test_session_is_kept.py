"""A session of the user's is left as it was found, and how it is set does not reach the tables."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.planning.results import RunResult
from etl.testing import assert_equal_modes
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: {name}
sources:
  orders: {{format: csv, path: landing, schema: "Id INT, at TIMESTAMP, amount STRING", options: {{header: true}}, on_malformed: quarantine}}
flows:
  clean:
    inputs: [orders]
    transform: {{python: "transforms:clean"}}
    incremental: rows
    expectations: {{positive: {{expr: amount > 0, on_violation: {verdict}}}}}
  days:
    inputs: [clean]
    sink: {{strategy: overwrite, partition_by: [day]}}
    transform: {{sql: "SELECT date_trunc('DAY', AT) AS day, count(*) AS n, sum(AMOUNT) AS total, 7 / 2 AS half FROM clean GROUP BY ALL"}}
  latest:
    inputs: [clean]
    incremental: rows
    sink: {{strategy: merge, keys: [id], sequence_by: [at]}}
"""
# It makes frames of its own, views and a change of database: all that a user's function may do with the session it is given.
TRANSFORMS = """
from pyspark.sql import functions as F

def clean(orders):
    session = orders.sparkSession
    session.createDataFrame([(1,)], "rate INT").createOrReplaceTempView("rates")
    session.sql("USE default")
    session.conf.set("spark.sql.shuffle.partitions", "3")
    return orders.select("id", "at", {column}.alias("amount")).join(session.table("rates")).drop("rate")
"""
LOGS = ("", "py4j", "pyspark", "SQLQueryContextLogger", "DataFrameQueryContextLogger", "py4j.clientserver")
LINES = "Id,at,amount\n1,2024-01-31T23:30:00Z,5\n2,2024-02-01T00:30:00Z,7\n3,2024-02-01T12:00:00Z,0\n4,never,1\n"
DAYS = [("2024-01-31", 1, 5, 3.5), ("2024-02-01", 1, 7, 3.5)]


def write(
    root: Path, name: str = "shop", verdict: str = "drop", column: str = 'F.col("amount").cast("int")'
) -> etl.Pipeline:
    folder = root / name / "pipelines" / name
    folder.mkdir(parents=True)
    (root / name / "landing").mkdir()
    (root / name / "landing" / "a.csv").write_text(LINES, encoding="utf-8")
    (folder / "pipeline.yml").write_text(PIPELINE.format(name=name, verdict=verdict), encoding="utf-8")
    (folder / "transforms.py").write_text(TRANSFORMS.format(column=column), encoding="utf-8")
    return etl.load(folder)


def more(root: Path, name: str = "shop") -> None:
    (root / name / "landing" / "b.csv").write_text("Id,at,amount\n5,2024-02-01T13:00:00Z,7\n", encoding="utf-8")


def target(pipeline: etl.Pipeline, flow: str) -> Path:
    return Path(pipeline.spec.storage, "tables", pipeline.spec.name, flow)


def statuses(result: RunResult) -> dict[str, str]:
    return {flow.flow: flow.status for flow in result.flows}


def found(spark: SparkSession) -> dict[str, Any]:
    """Everything of a session, and of its process, that a run could leave changed."""
    return {
        "settings": sorted((row.key, row.value) for row in spark.sql("SET").collect()),
        "getAll": dict(spark.conf.getAll),
        "catalog": spark.catalog.currentCatalog(),
        "database": spark.catalog.currentDatabase(),
        "databases": sorted(item.name for item in spark.catalog.listDatabases()),
        "tables": sorted((item.name, item.tableType, item.isTemporary) for item in spark.catalog.listTables()),
        "functions": len(spark.catalog.listFunctions()),
        "cached": spark.catalog.isCached("orders"),
        "rows of a view": spark.table("orders").collect(),
        "active": SparkSession.getActiveSession(),
        "streams": spark.streams.active,
        "tags": spark.getTags(),
        "path": list(sys.path),
        "folder": Path.cwd(),
        "environment": dict(os.environ),
        "logs": [(item.level, list(item.handlers), list(item.filters)) for item in map(logging.getLogger, LOGS)],
    }


@pytest.fixture
def session(spark: SparkSession) -> Iterator[SparkSession]:
    """A session as a notebook has one: with settings, a database, tables and views of its own, one with an input's name."""
    mine = spark.newSession()
    # Spark's interpreter cannot decode what `listTables` lists.
    mine.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")
    mine.createDataFrame([(1,)], "x INT").createOrReplaceTempView("orders")  # now it is the active one
    mine.sql("CREATE DATABASE IF NOT EXISTS mine")
    mine.sql("USE mine")
    mine.conf.set("spark.sql.shuffle.partitions", "11")
    mine.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    mine.table("orders").cache().count()
    yield mine
    mine.catalog.uncacheTable("orders")
    mine.sql("USE default")
    mine.sql("DROP DATABASE mine CASCADE")
    spark.createDataFrame([(1,)], "x INT")  # the shared one is active again


def test_plan_run_audit_and_history_leave_the_session_as_it_was(session: SparkSession, tmp_path: Path) -> None:
    pipeline = write(tmp_path)
    before = found(session)
    pipeline.plan()
    assert statuses(pipeline.run(mode="batch")) == {"clean": "succeeded", "days": "succeeded", "latest": "succeeded"}
    more(tmp_path)
    assert statuses(pipeline.run(mode="stream")) == {"clean": "succeeded", "days": "succeeded", "latest": "succeeded"}
    assert pipeline.audit().holds
    assert len(pipeline.history().entries) == 6
    assert found(session) == before


def test_a_run_that_fails_leaves_the_session_as_it_was(
    session: SparkSession, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    violated = write(tmp_path, "violated", verdict="fail")
    mistaken = write(tmp_path, "mistaken", column='F.col("nowhere")')
    before = found(session)
    assert statuses(violated.run(mode="stream")) == {"clean": "failed", "days": "skipped", "latest": "skipped"}
    assert statuses(mistaken.run(mode="batch")) == {"clean": "failed", "days": "skipped", "latest": "skipped"}
    assert found(session) == before
    assert capfd.readouterr() == ("", ""), "what failed is in the result, not on the screen"


def test_runs_from_several_threads_leave_the_session_as_it_was(session: SparkSession, tmp_path: Path) -> None:
    pipelines = [write(tmp_path, name) for name in ("one", "two")]
    before = found(session)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda item: item.run(mode="batch", exclude=["latest"]), pipelines))
    assert [statuses(item) for item in results] == [{"clean": "succeeded", "days": "succeeded"}] * 2
    for item in pipelines:
        assert rows(target(item, "days"), "strftime(day, '%Y-%m-%d'), n, total, half") == DAYS
    assert found(session) == before


def test_what_is_tried_in_pytest_leaves_the_session_as_it_was_and_the_next_run_may_find_another(
    session: SparkSession, tmp_path: Path
) -> None:
    pipeline = write(tmp_path)
    before = found(session)
    rows = [{"Id": number, "at": "2024-02-01T00:30:00Z", "amount": "7"} for number in range(3)]
    assert_equal_modes(pipeline.spec.folder, flow="clean", given={"orders": rows}, arrivals=[2])
    assert found(session) == before
    other = session.newSession()
    other.createDataFrame([(1,)], "x INT")  # now it is the active one
    assert pipeline.run(mode="batch").status == "succeeded"
    assert SparkSession.getActiveSession() is other


OTHERWISE = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "America/St_Johns",
    "spark.sql.shuffle.partitions": "13",
    "spark.ui.enabled": "true",
    "spark.ui.port": "0",
    "spark.sql.csv.parser.columnPruning.enabled": "true",
    "spark.sql.sources.default": "orc",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",
    "spark.sql.parquet.outputTimestampType": "INT96",
    "spark.databricks.delta.schema.autoMerge.enabled": "true",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "true",
    "spark.databricks.delta.properties.defaults.columnMapping.mode": "name",
    "spark.databricks.delta.properties.defaults.appendOnly": "true",
}
PROGRAM = """
import json, os, sys
from pyspark.sql import SparkSession
import etl
from etl.engine.session.jars import jars
from etl.engine.session.java import find_java
from etl.engine.session.profile import DELTA

folder, settings = sys.argv[1], json.loads(sys.argv[2])
ours = {**DELTA, "spark.driver.extraClassPath": os.pathsep.join(map(str, jars(find_java().program)))}
building = SparkSession.builder.master("local[2]").config("spark.databricks.delta.snapshotPartitions", "2")
building = building.config("spark.driver.host", "127.0.0.1")
for name, value in {**ours, **settings}.items():
    building = building.config(name, value)
spark = building.getOrCreate()
for part, mode in (("a.csv", "batch"), ("b.csv", "stream")):
    os.rename(f"waiting/{part}", f"landing/{part}")
    result = etl.load(folder).run(mode=mode)
    assert result.status == "succeeded", result
assert {name: spark.conf.get(name) for name in settings} == settings
assert spark.range(3).count() == 3
"""


@pytest.mark.system
@pytest.mark.timeout(600)
def test_a_session_that_is_set_otherwise_gives_the_same_tables(spark: SparkSession, tmp_path: Path) -> None:
    ours, theirs = (write(tmp_path / place) for place in ("ours", "theirs"))
    assert ours.run(mode="batch").status == "succeeded"
    more(tmp_path / "ours")
    assert ours.run(mode="stream").status == "succeeded"

    more(tmp_path / "theirs")
    shop = tmp_path / "theirs" / "shop"
    (shop / "landing").rename(shop / "waiting")
    (shop / "landing").mkdir()
    command = [sys.executable, "-c", PROGRAM, str(theirs.spec.folder), json.dumps(OTHERWISE)]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    for flow in ("clean", "days", "latest"):
        assert rows(target(theirs, flow)) == rows(target(ours, flow)), flow
    assert rows(target(theirs, "days"), "strftime(day, '%Y-%m-%d'), n, total, half") == [
        DAYS[0],
        ("2024-02-01", 2, 14, 3.5),
    ]
