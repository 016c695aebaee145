"""Maintenance that dies at any of its moments, by itself or in a run: the next one, or the next run, ends in the same tables."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.config.load import load
from etl.engine.crash_points import Crash, Point, armed
from etl.operations.maintenance.maintain import maintain
from etl.planning import maintenance
from tests.support.independent import rows
from tests.support.leftovers import left_behind

pytestmark = [pytest.mark.spark, pytest.mark.crash]

POINTS = (Point.COMPACTING, Point.COMPACTED, Point.VACUUMING, Point.MAINTAINED, Point.GENERATION_FORGOTTEN)
PIPELINE = """
version: 1
name: p
defaults: {{maintenance: {{keep: 0, auto: {auto}, budget: 100%}}}}
sources:
  orders: {{format: json, path: landing, schema: "id INT, seq INT", rate_limit: {{files: 1}}}}
flows:
  kept:
    inputs: [orders]
    incremental: rows
    expectations: {{small: {{expr: "seq % 10 < 9", on_violation: quarantine}}}}
    sink: {{strategy: append}}
"""


def project(root: Path, *, auto: bool) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "landing").mkdir(exist_ok=True)
    (root / "pipelines" / "p.yml").write_text(PIPELINE.format(auto=str(auto).lower()), encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def arrive(root: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        lines = [{"id": number, "seq": number * 10 + place} for place in range(8, 10)]
        (root / "landing" / f"{number:02d}.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def must_hold(root: Path, pipeline: etl.Pipeline, files: int) -> None:
    storage = root / ".etl" / "local"
    expected: list[Any] = [(number, number * 10 + 8) for number in range(files)]
    assert rows(storage / "tables" / "p" / "kept", "id, seq") == sorted(expected, key=repr)
    assert len(rows(storage / "quarantine" / "p" / "kept", "id")) == files
    audited = pipeline.audit()
    assert audited.holds, audited
    assert left_behind(storage) == []


def test_a_crash_at_each_point_of_maintenance_changes_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "FEWEST", 2)
    pipeline = project(tmp_path, auto=False)
    spec = load(tmp_path / "pipelines" / "p.yml")
    landed = 0
    for number, point in enumerate(POINTS):
        arrive(tmp_path, landed, 3)
        landed += 3
        pipeline.run(mode="stream").raise_for_status()
        if point is Point.GENERATION_FORGOTTEN:
            pipeline.run(mode="batch", full_refresh=True).raise_for_status()
        with armed(point) as trap, contextlib.suppress(Crash):
            maintain(spec)
        assert trap.crashed, point
        if number % 2:
            assert pipeline.run(mode="stream").status == "unchanged"
        else:
            assert {flow.status for flow in maintain(spec).flows} <= {"succeeded", "unchanged"}
        must_hold(tmp_path, pipeline, landed)
    maintain(spec)
    assert {flow.status for flow in maintain(spec).flows} == {"unchanged"}
    assert [item.name for item in (tmp_path / ".etl" / "local" / "checkpoints" / "p" / "kept").glob("g*")] == ["g1"]


def test_a_crash_in_maintenance_between_and_after_the_epochs_of_a_run_changes_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in ("etl.planning.maintenance", "etl.engine.maintenance.automatic"):
        monkeypatch.setattr(f"{room}.FEWEST", 2)
    monkeypatch.setattr(maintenance.Credit, "allows", property(lambda _: True))  # however long a compaction takes here
    pipeline = project(tmp_path, auto=True)
    arrive(tmp_path, 0, 5)
    with armed(Point.COMPACTED) as trap, contextlib.suppress(Crash):
        pipeline.run(mode="stream")
    assert trap.crashed
    with armed(Point.VACUUMING) as trap, contextlib.suppress(Crash):
        pipeline.run(mode="stream")
    assert trap.crashed
    pipeline.run(mode="stream")
    must_hold(tmp_path, pipeline, 5)
