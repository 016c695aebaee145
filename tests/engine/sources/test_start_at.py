"""Where a source's beginning is, is the same for a batch and for a stream."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

YAML = """
version: 1
name: late
run: {timezone: Europe/Berlin}
sources:
  files: {format: csv, path: landing, schema: "id INT", start_at: {timestamp: "2024-01-01 00:00:00"}}
  table: {format: delta, path: given, start_at: {version: 2}}
flows:
  rows: {inputs: [files], incremental: rows}
  full: {inputs: [files], incremental: full}
  versions: {inputs: [table], incremental: rows}
  auto: {inputs: [table], transform: {sql: "SELECT count(*) AS n FROM table"}}
"""
BERLIN = 1_704_063_600  # 2024-01-01 00:00:00 there


def land(root: Path, name: str, text: str, at: int) -> None:
    (root / "landing").mkdir(exist_ok=True)
    (root / "landing" / name).write_text(text, encoding="utf-8")
    os.utime(root / "landing" / name, (at, at))


def test_both_modes_start_at_the_same_place_and_never_look_before_it(tmp_path: Path, spark: SparkSession) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "late.yml").write_text(YAML, encoding="utf-8")
    land(tmp_path, "old.csv", "garbled\n", BERLIN - 1)
    land(tmp_path, "just.csv", "1\n", BERLIN)
    for number in range(3):
        spark.createDataFrame([(number,)], "id INT").write.format("delta").mode("append").save(str(tmp_path / "given"))
    pipeline = etl.load(tmp_path / "pipelines" / "late.yml")
    tables = tmp_path / ".etl" / "local" / "tables" / "late"
    modes: tuple[Any, ...] = ("stream", "batch", "stream")
    for index, mode in enumerate(modes):
        found = {flow.flow: flow for flow in pipeline.run(mode=mode).flows}
        auto = found.pop("auto").failure
        assert auto is not None
        assert "needs the whole of 'table', which has a start_at" in auto.message
        assert [flow.failure for flow in found.values()] == [None] * 3
        assert rows(tables / "rows") == rows(tables / "full") == [(number + 1,) for number in range(index + 1)]
        assert rows(tables / "versions") == [(number + 2,) for number in range(index + 1)]
        land(tmp_path, f"{index}.csv", f"{index + 2}\n", BERLIN + 10 + index)
        (tmp_path / "landing" / "old.csv").unlink(missing_ok=True)  # what never counted can go
        spark.createDataFrame([(index + 3,)], "id INT").write.format("delta").mode("append").save(
            str(tmp_path / "given")
        )
    assert pipeline.audit().holds
