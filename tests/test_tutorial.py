"""docs/tutorial.md, followed to the letter: its files are written, its commands run, and what it shows is what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.terminal import typed

pytestmark = [pytest.mark.system, pytest.mark.spark, pytest.mark.timeout(600)]

TUTORIAL = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)


def test_following_the_tutorial_shows_what_it_shows(tmp_path: Path) -> None:
    for language, file, text in BLOCKS:
        if language != "console":
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(text, encoding="utf-8")
            continue
        command, *shown = text.splitlines()
        code, said = typed(command.removeprefix("$ "), tmp_path)
        mistaken = any("[E" in line for line in shown)
        assert code == (2 if mistaken else 0), f"{command}\n{said}"
        for line in shown:
            assert _words(line) in _words(said), f"{command}\n{said}"


def _words(text: str) -> str:
    """A text without the widths of its columns, which depend on what else is in a table."""
    return " ".join(text.split())
