"""What a run did, as a value that a program asks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from etl.cli.run import exit_code
from etl.errors import RunFailed
from etl.planning.results import Failure, FlowResult, RunResult, RunsResult, Status

DONE = FlowResult("kept", "succeeded", "batch")
RUN = RunResult("r", "shop", "batch", "succeeded", "2026-11-30T00:00:00+00:00", 1.0, (DONE,))


def failed(*kinds: str) -> RunResult:
    flows = [
        FlowResult(f"f{place}", "failed", "batch", failure=Failure(kind, f"of {kind}", "p.yml:3:5", "mend it"))  # type: ignore[arg-type]  # of a test's own list
        for place, kind in enumerate(kinds)
    ]
    return replace(RUN, status="failed", flows=(DONE, *flows))


def test_a_run_that_went_well_gives_itself_and_one_that_failed_says_each_failure() -> None:
    assert RUN.raise_for_status() is RUN
    with pytest.raises(RunFailed) as cause:
        failed("held", "expectation").raise_for_status()
    assert str(cause.value).splitlines() == [
        "2 of 3 flows of shop failed",
        "  f0: p.yml:3:5 of held",
        "    mend it",
        "  f1: p.yml:3:5 of expectation",
        "    mend it",
    ]


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((), 0),
        (("held",), 5),
        (("held", "expectation"), 3),
        (("held", "expectation", "configuration"), 2),
        (("expectation", "run", "configuration"), 1),
        (("run", "environment", "held"), 4),
    ],
)
def test_of_several_reasons_the_first_of_4_1_2_3_5_is_the_exit_code(kinds: tuple[str, ...], code: int) -> None:
    assert exit_code([failed(*kinds)]) == code
    assert exit_code([RUN, *(failed(kind) for kind in kinds), RUN]) == code  # of several pipelines


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (("unchanged", "failed", "succeeded", "skipped"), "failed"),
        (("skipped", "unchanged", "succeeded"), "succeeded"),
        (("unchanged", "skipped"), "skipped"),
        (("unchanged", "unchanged"), "unchanged"),
    ],
)
def test_the_status_of_several_pipelines_is_made_of_theirs_as_that_of_one_is_of_its_flows(
    statuses: tuple[Status, ...], status: Status
) -> None:
    assert RunsResult(tuple(replace(RUN, status=each) for each in statuses), 1.0).status == status
