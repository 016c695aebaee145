"""Completion as a shell asks for it: a process with the line in its environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine_cases import write_project

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; from etl.cli import main; main(prog_name='etl')"
# What a shell waits for after TAB must not start Spark, nor read the grammar.
GUARD = "import atexit; atexit.register(lambda: [sys.stderr.write(n) for n in ('pyspark', 'pydantic', 'sqlglot') if n in sys.modules])"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_project(tmp_path)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "base.yml").touch()
    (tmp_path / "conf" / "prod.yml").touch()
    return tmp_path


def offered(folder: Path, line: str) -> list[str]:
    words = line.split(" ")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {GUARD}; {PROGRAM}"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "_ETL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [item.removeprefix("plain,") for item in done.stdout.split()]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("etl pl", ["plan"]),
        ("etl run sh", ["shop"]),
        ("etl run x", []),
        ("etl validate ", ["shop"]),
        ("etl test s", ["shop"]),
        ("etl run shop --env ", ["local", "prod"]),
        ("etl run shop --select l", ["latest", "living"]),
        ("etl run shop --select +to", ["+totals"]),
        ("etl run shop --exclude on", ["once"]),
        ("etl history shop --flow al", ["alive"]),
        ("etl checkpoints sh", ["show"]),
        ("etl checkpoints show shop --flow cl", ["clean"]),
        ("etl run nothing --select ", []),
        ("etl run shop sh", ["shop"]),
        ("etl run nothing shop --select la", ["latest"]),
        ("etl run --all --select la", ["latest"]),
        ("etl run shop --mo", ["--mode"]),
        ("etl completion z", ["zsh"]),
    ],
)
def test_what_is_offered(shop: Path, line: str, expected: list[str]) -> None:
    assert offered(shop, line) == expected


def test_a_broken_file_offers_nothing_and_says_nothing(shop: Path) -> None:
    (shop / "pipelines" / "shop.yml").write_text("flows: [", encoding="utf-8")
    assert offered(shop, "etl run shop --select ") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_the_shell_s_own_and_asks_for_etl(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "completion", shell], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert f"_ETL_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=done.stdout, text=True, check=True)
