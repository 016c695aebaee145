"""Invariant 3: real processes, really killed, at seeded random moments; then one undisturbed run, and everything is as if nothing was."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from etl.engine.crash_points import VARIABLE
from tests.crash.killing import Case, kill_before_commit, play, recovered, run, started

KILLS = int(os.environ.get("ETL_KILLS", "6"))


@pytest.mark.crash
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("pipeline", "seed", "share"), [("shop", 20261124, 0.5), ("chain", 7, 0.5)])
def test_killed_runs_leave_the_tables_of_an_undisturbed_one(
    tmp_path: Path, pipeline: str, seed: int, share: float
) -> None:
    kills = max(1, round(KILLS * share))
    wrong = play(pipeline, seed, kills, tmp_path, print)
    assert wrong == [], f"see it again: python -m tests.crash.killing {pipeline} {seed} {kills}"


@pytest.mark.crash
@pytest.mark.timeout(900)
def test_data_files_without_their_commit_are_as_if_they_were_not_there(tmp_path: Path) -> None:
    case = Case("shop", tmp_path, random.Random(3))
    case.arrive(0)
    two = ("shop", "--select", "+latest", "--mode")
    assert run(tmp_path, "run", *two, "stream").returncode == 0
    for number in range(1, 5):
        case.arrive(number)
        process = started(tmp_path, *two, ("stream", "batch")[number % 2])
        if kill_before_commit(process, tmp_path / ".etl" / "local" / "tables"):
            break
    else:
        pytest.fail("the moment between the data files and the commit was missed four times")
    case.arrive(9)
    died = run(tmp_path, "run", *two, "stream", **{VARIABLE: "target_committing:2"})
    assert died.returncode == -signal.SIGKILL
    assert recovered(case, random.Random(3)) == []
    audit = run(tmp_path, "audit", "shop")
    assert audit.returncode == 0, audit.stdout
