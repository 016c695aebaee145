"""`retry.timeout` of a flow that works without a stream: its Spark jobs are interrupted, and are not waited for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl

YAML = """
version: 1
name: slow
sources: {numbers: {format: json, path: landing, schema: "n INT"}}
flows:
  total:
    inputs: [numbers]
    transform: {sql: "SELECT sum(hash(x)) AS total FROM (SELECT explode(sequence(1, 20000000)) AS x FROM numbers)"}
    incremental: full
    run: {retry: {timeout: 2 seconds, max_retries: 0}}
"""


@pytest.mark.spark
def test_a_full_flow_ends_soon_after_its_timeout(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "landing").mkdir()
    (tmp_path / "pipelines/slow.yml").write_text(YAML, encoding="utf-8")
    text = "".join(f'{{"n": {number}}}\n' for number in range(20_000))
    (tmp_path / "landing/1.json").write_text(text, encoding="utf-8")
    begun = time.monotonic()
    failure = etl.load(tmp_path / "pipelines/slow.yml").run(mode="batch").flows[0].failure
    assert failure is not None
    assert "took longer than its timeout of 2 seconds" in failure.message
    assert time.monotonic() - begun < 60, "the work alone would take hours"
