"""Invariant 3: real processes, really killed, at seeded random moments; then one undisturbed run, and everything is as if nothing was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.engine_cases import actual, land, model, write_project
from tests.property.test_modes_are_equal import orders

KILLS = int(os.environ.get("ETL_KILLS", "20"))
ETL = [sys.executable, "-m", "etl"]
ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """This checkout's package, wherever the process runs."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ETL, *arguments], cwd=root, env=environment(), capture_output=True, text=True, check=False, timeout=300
    )


def killed_run(root: Path, mode: str, dice: random.Random) -> bool:
    """Start a run, kill it a random moment after it has begun to work; False where it was done before."""
    process = subprocess.Popen(
        [*ETL, "run", "shop", "--mode", mode],
        cwd=root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if ": started" in line:
            break
    time.sleep(dice.uniform(0.0, 9.0))
    done = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return not done


@pytest.mark.crash
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [20261124])
def test_twenty_kills_leave_the_tables_of_an_undisturbed_run(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    write_project(tmp_path)
    everything: list[dict[str, Any] | str] = []

    def arrive(number: int) -> None:
        new = orders(dice, dice.randrange(5, 25))
        everything.extend(new)
        land(tmp_path, f"{number:03}.json", new)

    arrive(0)
    assert run(tmp_path, "run", "shop", "--mode", dice.choice(["batch", "stream"])).returncode == 0
    kills = 0
    for attempt in range(3 * KILLS):
        if kills == KILLS:
            break
        arrive(attempt + 1)
        kills += killed_run(tmp_path, dice.choice(["batch", "stream"]), dice)
    assert kills == KILLS
    last = run(tmp_path, "run", "shop", "--mode", dice.choice(["batch", "stream"]))
    assert last.returncode == 0, last.stdout + last.stderr
    assert actual(tmp_path) == model(everything)
    audit = run(tmp_path, "audit", "shop")
    assert audit.returncode == 0, audit.stdout
    assert run(tmp_path, "run", "shop", "--mode", "stream").stdout.count("unchanged") > 0
