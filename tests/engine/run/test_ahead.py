"""What is done ahead of a flow's next epoch, seen by the jobs that Spark then needs for a commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.engine.run.ahead import ReadyTables
from etl.engine.session.shared import Sessions

Write = Callable[[Mapping[str, str]], Path]

YAML = """
version: 1
name: p
sources: {s: {format: csv, path: landing, schema: "id INT"}}
flows: {all: {inputs: [s], incremental: rows}}
run: {mode: stream}
"""


def jobs_of_a_commit(spark: SparkSession, table: Path, number: int) -> int:
    """How many jobs of Spark an append to a table takes, under a transaction id as all of ours."""
    context, session = spark.sparkContext, spark.newSession()
    session.conf.set("spark.databricks.delta.write.txnAppId", "test")
    session.conf.set("spark.databricks.delta.write.txnVersion", str(number))
    context.setJobGroup(f"{table} {number}", "an append")
    try:
        session.sql("SELECT 7 AS id").write.format("delta").mode("append").save(str(table))
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]  # None takes it away
    return len(context.statusTracker().getJobIdsForGroup(f"{table} {number}"))


def test_a_commit_to_a_table_that_was_made_ready_is_one_job(
    spark: SparkSession, project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project({"pipelines/p.yml": YAML, "landing/1.csv": "1\n"})
    pipeline = etl.load("p")
    assert pipeline.run().status == "succeeded"
    (flow,) = pipeline.spec.flows
    table = root / ".etl" / "local" / "tables" / "p" / "all"
    assert jobs_of_a_commit(spark, table, 1) > 1
    stopped, goes_on = threading.Event(), threading.Event()
    stopped.set()
    with closing(Sessions(pipeline.spec.spark, storage="", app_name="test", short=True)) as sessions:
        ready = ReadyTables(sessions)
        ready.make_ready(pipeline.spec, flow, stopped)
        assert jobs_of_a_commit(spark, table, 2) > 1, "a run that stops does nothing ahead"
        ready.make_ready(pipeline.spec, flow, goes_on)
        assert jobs_of_a_commit(spark, table, 3) == 1
        ready.make_ready(pipeline.spec, flow, goes_on)
        monkeypatch.setattr(ReadyTables, "_compute_state", lambda *_: pytest.fail("it is ready already"))
        ready.make_ready(pipeline.spec, flow, goes_on)
