"""docs/first-hour.md, followed to the letter: three people's files, commands and cells, and what they see."""

from __future__ import annotations

import contextlib
import doctest
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.support.terminal import typed

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

PAGE = (Path(__file__).parents[1] / "docs" / "first-hour.md").read_text(encoding="utf-8")
PARTS: dict[str, str] = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def blocks(part: str) -> list[tuple[str, str, str]]:
    """The fenced blocks of a part: language, the file's name, text."""
    return re.findall(r"^```(\w+)(?: (\S+))?\n(.*?)^```", PARTS[part], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "What it looks like"])
def test_the_first_hour_goes_as_the_page_says(spark: SparkSession, tmp_path: Path, part: str) -> None:
    folder = tmp_path
    for language, file, text in blocks(part):
        if file:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, encoding="utf-8")
        elif language == "pycon":
            follow(text, folder)
        else:
            command, *expected = text.splitlines()
            command = command.removeprefix("$ ")
            if command.startswith("cd "):
                folder = folder / command.removeprefix("cd ")
                continue
            code, output = typed(command, folder)
            assert code == 0, f"{command}\n{output}"
            for line in expected:
                assert words(line) in words(output), f"{command}\n{output}"


def follow(session: str, folder: Path) -> None:
    """Run a session of Python's, and compare what it shows."""
    parsed = doctest.DocTestParser().get_doctest(session, {}, "first-hour.md", None, 0)
    with contextlib.chdir(folder):
        results = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(parsed, clear_globs=False)
    assert results.failed == 0
    assert results.attempted > 5


def test_a_row_of_her_own_comes_in_five_commands_and_a_tested_pipeline_in_twelve() -> None:
    commands = [text.splitlines()[0] for language, _, text in blocks("Files of your own") if language == "console"]
    first = next(number for number, command in enumerate(commands, 1) if "etl preview" in command)
    assert first <= 5
    assert {"etl test", "--mode batch", "--mode stream"} <= {
        part for part in ("etl test", "--mode batch", "--mode stream") if any(part in command for command in commands)
    }
    assert len(commands) <= 12


def test_every_screen_is_drawn_in_both_colours_and_fetches_nothing() -> None:
    named = set(re.findall(r"screens/([\w-]+\.svg)", PAGE))
    assert named == {file.name for file in (Path(__file__).parents[1] / "docs" / "screens").iterdir()}
    for file in named:
        drawing = (Path(__file__).parents[1] / "docs" / "screens" / file).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\"'\s)]+", drawing)) == {"http://www.w3.org/2000/svg"}
        assert "Traceback" not in drawing


def words(text: str) -> str:
    """A text without the widths of its columns, which depend on what else is in a table."""
    return " ".join(text.split())
