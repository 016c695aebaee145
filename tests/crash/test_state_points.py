"""Invariant 3 for state: a run that dies at a point where Spark's store, what is kept back, and the target may disagree."""

from __future__ import annotations

import os

import pytest

from etl.engine.crash_points import Point
from etl.testing import crash_everywhere
from tests.engine.state.test_state import CLOSED, SOURCE, Project

WHERE = (
    Point.STREAM_OPENED,
    Point.HOLDING,
    Point.HELD,
    Point.OUTPUT_MADE,
    Point.TARGET_COMMITTING,
    Point.TARGET_COMMITTED,
    Point.COUNTS_RECORDED,
    Point.STREAM_ENDED,
)
EVERYWHERE = "ETL_CRASH_ROUNDS" in os.environ  # `make attack-crash`
ONE, TWO = Point.HOLDING, Point.HELD
MERGE = "\n    sink: {strategy: merge, keys: [at, who]}"
# Each point by one of the two sinks; `make attack-crash` takes every point of the house for both.
CASES = [("", WHERE[::2]), (MERGE, WHERE[1::2])] if not EVERYWHERE else [("", tuple(Point)), (MERGE, tuple(Point))]


def click(minute: int) -> dict[str, object]:
    return {"at": f"2024-01-01T08:{minute:02}:00Z", "who": "a" if minute % 2 else "b", "n": minute}


@pytest.mark.crash
@pytest.mark.spark
@pytest.mark.timeout(0 if EVERYWHERE else 1200)
@pytest.mark.parametrize(("sink", "points"), CASES, ids=["append", "merge"])
def test_a_state_flow_that_dies_and_runs_again_is_as_if_nothing_had_happened(
    project: Project, sink: str, points: tuple[Point, ...]
) -> None:
    project({"pipelines/shop.yml": SOURCE + CLOSED.rstrip() + sink + "\n"})
    arrivals = [[click(1), click(2)], [click(13), click(30), click(31)], [click(55)]]
    died = crash_everywhere("shop", flow="closed", given={"clicks": arrivals}, points=points)
    wanted = {*WHERE} & {*points}
    assert wanted - {ONE, TWO} <= {*died["stream"]}
    assert wanted <= {*died["batch"]}
