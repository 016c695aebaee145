"""The rules of `tests/conftest.py`, tried in a pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system  # each runs a pytest of its own

ROOT = Path(__file__).parents[1]
CONFTEST = Path(__file__).with_name("conftest.py")
SIDE_BY_SIDE = ("--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder")
TESTS = """
import pytest

@pytest.mark.crash
def test_late(): pass

def test_early(): pass

@pytest.mark.skipif({skip}, reason="a reason")
def test_perhaps(): pass
"""


def inner(folder: Path, *how: str, skip: bool, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "test_it.py").write_text(TESTS.format(skip=skip), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  pure\n  crash\n  spark\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *how, str(folder)]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("how", [(), SIDE_BY_SIDE], ids=["in one process", "side by side"])
def test_in_ci_a_skipped_test_fails_the_run(tmp_path: Path, how: tuple[str, ...]) -> None:
    done = inner(tmp_path, *how, skip=True, ci="true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "CI: a skipped test fails the run" in done.stdout
    assert "2 passed, 1 skipped" in done.stdout.splitlines()[-1]


def test_elsewhere_a_skipped_test_is_only_counted(tmp_path: Path) -> None:
    assert inner(tmp_path, skip=True, ci="").returncode == pytest.ExitCode.OK


def test_in_ci_a_whole_run_passes_with_the_quick_tests_first(tmp_path: Path) -> None:
    done = inner(tmp_path, skip=False, ci="true")
    assert done.returncode == pytest.ExitCode.OK
    assert done.stdout.index("test_early PASSED") < done.stdout.index("test_late PASSED")


def test_side_by_side_each_file_is_one_process_s(tmp_path: Path) -> None:
    assert " ".join(SIDE_BY_SIDE[2:]) in ROOT.joinpath("Makefile").read_text(encoding="utf-8")
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text(TESTS.format(skip=False), encoding="utf-8")
    done = inner(tmp_path, *SIDE_BY_SIDE, skip=False, ci="true")
    assert done.returncode == pytest.ExitCode.OK
    ran = re.findall(r"\[(gw\d)\] .*PASSED (\w+\.py)::", done.stdout)
    assert len(ran) == 12
    assert len({worker for worker, _ in ran}) == 2
    assert len(set(ran)) == 4, "no file was shared"
