"""Where the characters of a text stand in the YAML file that says it, however it is quoted, folded, indented or escaped.

YAML moves white space and takes escapes; every other character of a text stands in its file, in the same order. So both are walked side
by side, and what stands side by side on one line is one run.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.diagnostics import Location, Places

if TYPE_CHECKING:
    from collections.abc import Sequence

_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_LETTERS = {"a": "\a", "b": "\b", "e": "\x1b", "0": "\0"}
_SPACES = "tnvfrNLP_ \t"  # the letters of escapes that are white space
_WORD = re.compile(r"\S+")
_ANCHOR = re.compile(r"&\S+")


def places(file: str, lines: Sequence[str], at: Location, text: str) -> Places | None:
    """The places of a text whose value begins at `at`; None where the file does not say it letter by letter (a param stands in it)."""
    reading = _Reading(lines, at.line - 1, at.column - 1)
    if not reading.begin():
        return None
    runs: list[tuple[int, int, Location]] = []

    def stands(offset: int, length: int, row: int, column: int) -> None:
        if runs:
            start, _, first = runs[-1]
            if first.line == row + 1 and column + 1 - first.column == offset - start:
                runs[-1] = (start, offset - start + length, first)
                return
        runs.append((offset, length, Location(file, row + 1, column + 1, 1, lines[row])))

    for word in _WORD.finditer(text):
        word_place = reading.word(word.group())
        if word_place is not None:
            stands(word.start(), len(word.group()), *word_place)
            continue
        for offset, letter in enumerate(word.group(), start=word.start()):
            letter_place = reading.next()
            if letter_place is None or letter_place[0] != letter:
                return None
            stands(offset, 1, *letter_place[1:])
    return Places(tuple(runs)) if runs else None


class _Reading:
    """The letters of one value, without white space, each with its row and column from 0."""

    def __init__(self, lines: Sequence[str], row: int, column: int) -> None:
        self._lines, self._row, self._column = lines, row, column
        self._quote = ""

    def begin(self) -> bool:
        """Go to the value's first letter, past an anchor, a quote or the head of a block."""
        while self._skip_spaces():
            line = self._lines[self._row]
            anchor = _ANCHOR.match(line, self._column)
            if anchor is not None:
                self._column = anchor.end()
                continue
            first = line[self._column]
            if first in "'\"":
                self._quote, self._column = first, self._column + 1
            elif first in "|>":
                self._row, self._column = self._row + 1, 0
            return True
        return False

    def word(self, letters: str) -> tuple[int, int] | None:
        """Where the next letters stand, which are these, one after another, none of them escaped; None, and nothing is read, where they may not be."""
        if (
            (self._quote == '"' and "\\" in letters)
            or (self._quote == "'" and "'" in letters)
            or not self._skip_spaces()
        ):
            return None
        row, column = self._row, self._column
        if not self._lines[row].startswith(letters, column):
            return None
        self._column += len(letters)
        return row, column

    def next(self) -> tuple[str, int, int] | None:
        """The next letter and where it stands; None at the end of the file."""
        while self._skip_spaces():
            line, row, column = self._lines[self._row], self._row, self._column
            letter, width = line[column], 1
            if self._quote == '"' and letter == "\\":
                escape = _ESCAPE.match(line, column)
                if escape is None:  # the line goes on below
                    self._row, self._column = row + 1, 0
                    continue
                letter, width = _escaped(escape), len(escape.group())
            elif self._quote == "'" and letter == "'":
                width = 2
            self._column = column + width
            if letter.isspace():
                continue
            return letter, row, column
        return None

    def _skip_spaces(self) -> bool:
        while self._row < len(self._lines):
            line = self._lines[self._row]
            while self._column < len(line) and line[self._column].isspace():
                self._column += 1
            if self._column < len(line):
                return True
            self._row, self._column = self._row + 1, 0
        return False


def _escaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16))
    return " " if escape[4] in _SPACES else _LETTERS.get(escape[4], escape[4])
