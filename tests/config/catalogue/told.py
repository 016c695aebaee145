"""What `etl validate` says of a case, in this process."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from etl.cli import main
from tests.config.catalogue.cases import Case

_HEAD = re.compile(r"^(?P<file>[^:\n ]+):(?P<line>\d+):(?P<column>\d+) \[(?P<code>[EW]\d+)\] ", re.MULTILINE)
_HINT = re.compile(r"^(?: +\| .*\^| ) (?P<hint>.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person reads, its last line apart: each mistake's file, line, code; the lines that were edited."""

    exit_code: int
    text: str
    summary: str
    mistakes: list[tuple[str, int, str]]
    hints: list[str]
    edited: range


def told(case: Case | None, project: Path) -> Told:
    """What is said of a copy of the project with the case's edit, or without one; the edit is taken back."""
    path = project / case.file if case else project
    before = path.read_bytes() if case else b""
    edited = case.edited(project) if case else range(0)
    with _inside(project):
        done = CliRunner().invoke(main, ["validate"])
    if case:
        path.write_bytes(before)
    text, _, summary = done.stderr.rstrip().rpartition("\n")
    mistakes = [(found["file"], int(found["line"]), found["code"]) for found in _HEAD.finditer(text)]
    return Told(done.exit_code, text, summary, mistakes, _HINT.findall(text), edited)


def golden(texts: Mapping[str, str]) -> str:
    """The file of all messages: each under its case's name."""
    return "".join(f"## {name}\n\n{text}\n\n" for name, text in texts.items())


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
