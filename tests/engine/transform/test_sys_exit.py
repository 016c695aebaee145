"""Code of the user's, or a test, that would end the process from within a flow: the run never takes that for success."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from etl.engine.crash_points import Crash, Point, armed
from tests.support.independent import rows

PIPELINE = """
version: 1
name: p
sources:
  things: {format: json, path: landing, schema: "id INT"}
flows:
  timed:
    inputs: [things]
    transform: {python: "transforms:timed"}
    incremental: full
    run: {retry: {timeout: 5 minutes, max_retries: 1, min_retry_interval: 0 seconds}}
  streamed:
    inputs: [things]
    transform: {python: "transforms:streamed"}
    incremental: rows
    run: {retry: {max_retries: 0}}
  beside: {inputs: [things], incremental: rows}
"""
TRANSFORMS = """
import sys

calls = {"timed": 0, "streamed": 0}


def timed(things):
    calls["timed"] += 1
    if calls["timed"] > 1:  # the first call is the plan's
        sys.exit(0)
    return things


def streamed(things):
    sys.exit("no more")
"""


@pytest.mark.spark
def test_a_transform_that_calls_sys_exit_fails_its_flow_and_no_other(
    spark: SparkSession, project: Callable[[dict[str, str]], Path]
) -> None:
    root = project(
        {"pipelines/p/pipeline.yml": PIPELINE, "pipelines/p/transforms.py": TRANSFORMS, "landing/1.json": '{"id": 1}'}
    )
    result = etl.load("p").run(mode="batch")
    told = {item.flow: item.failure for item in result.flows}
    timed, streamed = told["timed"], told["streamed"]
    assert result.status == "failed"
    assert timed is not None
    assert timed.message == "flow 'timed': Exited: sys.exit(0) was called, and a flow does not end the process"
    assert timed.where.endswith("transforms.py:10:1")
    assert not timed.transient
    assert streamed is not None
    assert "sys.exit('no more') was called" in streamed.message
    assert told["beside"] is None
    tables = root / ".etl" / "local" / "tables" / "p"
    assert rows(tables / "beside") == [(1,)]
    assert not (tables / "timed").exists()


@pytest.mark.spark
def test_what_ends_a_flow_with_a_timeout_is_not_lost_in_its_thread(
    spark: SparkSession, project: Callable[[dict[str, str]], Path]
) -> None:
    """A full flow with a timeout works in a thread of its own, and Python lets a thread that ends by SystemExit or the like go in silence."""
    harmless = TRANSFORMS.replace("sys.exit(0)", "pass")
    root = project(
        {"pipelines/p/pipeline.yml": PIPELINE, "pipelines/p/transforms.py": harmless, "landing/1.json": '{"id": 1}'}
    )
    with armed(Point.TARGET_COMMITTING), pytest.raises(Crash):
        etl.load("p").run(mode="batch", select=["timed"])
    assert not (root / ".etl" / "local" / "tables" / "p" / "timed").exists()
    assert etl.load("p").run(mode="batch", select=["timed"]).status == "succeeded"
    assert rows(root / ".etl" / "local" / "tables" / "p" / "timed") == [(1,)]
