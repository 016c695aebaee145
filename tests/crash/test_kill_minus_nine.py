"""Invariant 3: real processes, really killed, at seeded random moments; then one undisturbed run, and everything is as if nothing was."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from etl.engine.crash_points import VARIABLE
from tests.crash.killing import Case, kill_before_commit, play, run, started

KILLS = int(os.environ.get("ETL_KILLS", "12"))


@pytest.mark.crash
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("pipeline", "seed", "share"), [("shop", 20261124, 0.6), ("chain", 7, 0.4)])
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
    assert run(tmp_path, "run", "shop", "--mode", "stream").returncode == 0
    tables = tmp_path / ".etl" / "local" / "tables"
    for number in range(1, 5):
        case.arrive(number)
        mode = ("stream", "batch")[number % 2]
        if kill_before_commit(started(tmp_path, "shop", "--mode", mode), tables):
            break
    else:
        pytest.fail("the moment between the data files and the commit was missed four times")
    case.arrive(9)
    died = run(tmp_path, "run", "shop", "--mode", "stream", **{VARIABLE: "target_committing:2"})
    assert died.returncode == -signal.SIGKILL
    healed = run(tmp_path, "run", "shop", "--mode", "stream")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert case.differences() == []
    audit = run(tmp_path, "audit", "shop")
    assert audit.returncode == 0, audit.stdout
