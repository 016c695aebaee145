"""`crash_everywhere`: a flow that dies at each named point, and is run again, makes the tables of one that nobody disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.engine.crash_points import OF_MAINTENANCE, Crash, Point, armed
from etl.operations import arguments
from etl.operations.run import run
from etl.testing.modes import difference_texts, given_rows, one_flow, require_success
from etl.testing.shared import sandbox

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from etl.config.spec import Mode, PipelineSpec
    from etl.planning.request import RunRequest
    from etl.planning.results import RunResult
    from etl.testing.modes import Given


RUNS_POINTS = tuple(each for each in Point if each not in OF_MAINTENANCE)


class _Dying:
    """`run`, but each run dies at the point, and is then run again."""

    def __init__(self, point: Point) -> None:
        self._point = point
        self.crashes = 0

    def __call__(self, spec: PipelineSpec, request: RunRequest) -> RunResult:
        try:
            with armed(self._point):
                return run(spec, request)
        except Crash:
            self.crashes += 1
            return run(spec, request)


def crash_everywhere(
    pipeline: str | Path,
    *,
    flow: str,
    given: Given,
    points: Collection[Point] = RUNS_POINTS,
    modes: Sequence[Mode] = ("batch", "stream"),
    params: Mapping[str, Any] | None = None,
    env: str = "local",
) -> Mapping[Mode, tuple[Point, ...]]:
    """Assert that a flow that dies at any of the points ends, run again, in the target and the quarantine of an undisturbed run.

    `given`: input → rows as in `tests:`, or a list of arrivals, each of which a stream sees in a run of its own that dies. Returns
    the points at which the flow died, by mode: not every flow comes to every point. Those of maintenance are not among the default.
    Raises AssertionError with the point and the rows that differ, ConfigurationError for what does not fit, and RunError where the
    flow fails.
    """
    __tracebackhide__ = True  # pytest shows the caller's line and the rows
    arguments.words("modes", modes, arguments.MODES)
    arguments.words("points", points, tuple(Point))
    spec, tested = one_flow(pipeline, flow, params=params, env=env)
    rows = given_rows(tested, given)
    died: dict[Mode, tuple[Point, ...]] = {}
    with sandbox(spec.spark) as shared:
        for mode in modes:
            undisturbed = require_success(tested, shared.tried(spec, tested, rows, mode, quarantine=True))
            for point in points:
                dying = _Dying(point)
                tried = shared.tried(spec, tested, rows, mode, quarantine=True, carry_out=dying)
                differing = difference_texts(tested, expected=undisturbed, actual=require_success(tested, tried))
                if differing:
                    head = f"flow '{flow}': a {mode} that died at '{point}' and was run again (actual) is not equal to an undisturbed one (expected)"
                    raise AssertionError("\n".join([head, *differing]))
                if dying.crashes:
                    died[mode] = (*died.get(mode, ()), point)
    return died
