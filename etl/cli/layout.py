"""Text as a terminal shows it well: lines no wider than it is, and paths from the project's folder on."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.project import find_project

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
_HANGING = 4


def columns(stream: Any = None) -> int | None:
    """How wide the terminal is that a stream (None: standard output) is; None where it is none, so that lines are as long as they are."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdigit() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:  # a terminal that does not say
        return None


def cells(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese letter two, a combining accent and a colour none."""
    text = STYLE.sub("", text)
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def fitted(text: str, width: int | None) -> str:
    """The text in lines of at most `width` columns (None: as it is), broken between words; a longer word stays whole."""
    if width is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> Iterator[str]:
    if cells(line) <= width:
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    start, part = " " * indent, ""
    for word in line[indent:].split(" "):
        if part and cells(f"{start}{part} {word}") > width:
            yield start + part.rstrip()
            start, part = " " * (indent + _HANGING), word
        else:
            part = f"{part} {word}" if part or word == "" else word
    yield start + part


def near(text: str) -> str:
    """The text with each absolute path below the project that the current folder is in as a path from there."""
    project = find_project(Path.cwd())
    return re.sub(rf"(?<![\w/:.~-]){re.escape(f'{project}/')}(?=\S)", "", text) if project else text
