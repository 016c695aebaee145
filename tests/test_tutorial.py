"""docs/tutorial.md, followed to the letter: its files are written, its commands run, and what it shows is what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)


def test_following_the_tutorial_shows_what_it_shows(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for language, file, text in BLOCKS:
        if language != "console":
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text, encoding="utf-8")
            continue
        command, *shown = text.splitlines()
        done = subprocess.run(
            ["bash", "-c", command.removeprefix("$ ")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        mistaken = any("[E" in line for line in shown)
        assert done.returncode == (2 if mistaken else 0), f"{command}\n{said}"
        for line in shown:
            assert _words(line) in _words(said), f"{command}\n{said}"


def _words(text: str) -> str:
    """A text without the widths of its columns, which depend on what else is in a table."""
    return " ".join(text.split())
