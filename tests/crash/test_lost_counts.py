"""Counts are exact of an epoch whose attempt fails between its commit and its counts: the next attempt takes them from what is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.config.load import load
from etl.config.spec import Mode
from etl.engine.crash_points import Point
from etl.engine.run import epoch_commit
from etl.errors import FlowFailed
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.crash.death_cases import PIPELINES, Landed
from tests.support.crash_cases import FLOWS as ALL

EVERY = "ETL_JVM_DEATHS" in os.environ  # all flows, and a batch as well
MODES: tuple[Mode, ...] = ("stream", "stream", "batch") if EVERY else ("stream", "stream")
FLOWS: dict[str, tuple[str, ...]] = {
    "chain": () if EVERY else ("clean", "latest"),
    "windows": () if EVERY else ("now",),
}
JUDGED = (*ALL, "closed", "now") if EVERY else ("latest", "now")

pytestmark = [pytest.mark.crash, pytest.mark.spark, pytest.mark.timeout(900)]


def test_counts_that_died_with_their_attempt_are_those_of_a_run_that_nobody_disturbs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = Landed(tmp_path / "deaths", tmp_path / "undisturbed")
    died: list[Point] = []

    def die(point: Point) -> None:
        if point is Point.TARGET_COMMITTED:
            died.append(point)
            raise FlowFailed("the counts are lost", transient=True)

    for mode in MODES:
        landed.arrive()
        for name in PIPELINES:
            found = {}
            for root in landed.roots:
                with monkeypatch.context() as patch:
                    if root.name == "deaths":
                        patch.setattr(epoch_commit, "reach", die)
                    result = run(load(str(root / f"pipelines/{name}.yml")), RunRequest(mode=mode, select=FLOWS[name]))
                assert result.status == "succeeded", result.flows
                found[root.name] = {flow.flow: (flow.counts, flow.epochs, flow.warnings) for flow in result.flows}
            assert found["deaths"] == found["undisturbed"], (mode, name)
            for flow in ("closed", "now") if mode == "batch" else ():
                landed.reread(flow)
        assert [landed.differences(flow) for flow in JUDGED] == [[]] * len(JUDGED)
    assert len(died) >= len(MODES) * (1 + len(FLOWS["chain"] or ALL))  # each flow, each time
