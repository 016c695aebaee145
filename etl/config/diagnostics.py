"""Where something is written, and what is wrong with it."""

from __future__ import annotations

import difflib
import textwrap
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from etl.config.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file; line and column count from 1. As text `file:line:column`, and nothing for NOWHERE."""

    file: str
    line: int
    column: int
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else ""


_SHOWN, _BEFORE = 160, 60  # characters of a line, and those of them before the caret
_SHORTEST = 20  # of what a narrow terminal shows of a line
NOWHERE = Location(file="", line=0, column=0)
Locate: TypeAlias = "Callable[[int], Location]"
"""Where the character at an offset of some text stands."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where each character of a text stands: runs of characters side by side on one line, by the offset of their first."""

    runs: tuple[tuple[int, int, Location], ...]  # the offset, how many, the place of the first

    def at(self, offset: int, width: int = 1) -> Location:
        """The place of the character at `offset`; of white space, the first place after what stands before it."""
        start, length, first = self.runs[max(0, bisect_right(self.runs, offset, key=lambda run: run[0]) - 1)]
        return replace(first, column=first.column + min(max(0, offset - start), length), width=width)

    @classmethod
    def of_file(cls, file: str, text: str) -> Places:
        """The places of a file's text."""
        runs, start = [], 0
        for number, line in enumerate(text.split("\n"), 1):
            runs.append((start, len(line), Location(file, number, 1, 1, line.rstrip("\r"))))
            start += len(line) + 1
        return cls(tuple(runs))


def in_file(file: str, text: str) -> Locate:
    """A function that gives the place of each offset of a file's text; `file` is its name as messages show it."""

    def locate(offset: int) -> Location:
        start = text.rfind("\n", 0, offset) + 1
        line = text[start:].split("\n", 1)[0].rstrip("\r")
        return Location(file, text.count("\n", 0, offset) + 1, offset - start + 1, 1, line)

    return locate


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake of the user's: a stable code, what is wrong, where, and what to do next.

    A code W… is a warning: something that works, and that a person should look at.
    """

    code: str
    message: str
    at: Location = NOWHERE
    hint: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))
        object.__setattr__(self, "hint", redact(self.hint))
        if redact(self.at.text) != self.at.text:
            object.__setattr__(self, "at", replace(self.at, text=redact(self.at.text)))

    @property
    def is_warning(self) -> bool:
        """Whether the file is good all the same."""
        return self.code.startswith("W")

    def render(self, width: int | None = None) -> str:
        """The contract's text: `file:line:column [code] message`, the line, a caret and the hint.

        `width`: that of the terminal that shows it, in which the hint has lines of its own where it does not fit beside the caret.
        """
        text = self._rendered(_SHOWN if width is None else min(_SHOWN, width))
        if width is None:
            return text
        head, *excerpt = text.split("\n")
        lines = _broken(head, width, "    ")
        if len(excerpt) < 2:  # noqa: PLR2004  # no line of the file, but perhaps the hint
            return "\n".join([*lines, *(part for line in excerpt for part in _broken(line, width, "  "))])
        shown, under = excerpt
        if len(under) > width and self.hint:
            blank = under[: under.index("|") + 1]
            hints = _broken(f"{blank}   {self.hint}", width, f"{blank}   ")
            return "\n".join([*lines, shown, under.removesuffix(f" {self.hint}"), *hints])
        return "\n".join([*lines, shown, under])

    def _rendered(self, width: int) -> str:
        if self.at == NOWHERE:
            head = f"[{self.code}] {self.message}"
            return f"{head}\n  {self.hint}" if self.hint else head
        head = f"{self.at} [{self.code}] {self.message}"
        if not self.at.text:
            return f"{head}\n  {self.hint}" if self.hint else head
        number = f" {self.at.line} | "
        blank = " " * (len(number) - 2) + "| "
        text, column, carets = _window(self.at, max(_SHORTEST, width - len(number)) if width < _SHOWN else _SHOWN)
        under = "".join("\t" if letter == "\t" else " " for letter in text[:column].ljust(column))
        return f"{head}\n{number}{text}\n{blank}{under}{'^' * carets}{' ' + self.hint if self.hint else ''}"


class Diagnostics:
    """Mistakes and warnings, in the order in which they were found; each phase of loading adds its own."""

    def __init__(self) -> None:
        self._diagnostics: list[Diagnostic] = []

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self._diagnostics)

    def __len__(self) -> int:
        return len(self._diagnostics)

    def add(self, code: str, message: str, at: Location = NOWHERE, hint: str = "") -> None:
        """Add one mistake or, by a code W…, one warning."""
        self._diagnostics.append(Diagnostic(code, message, at, hint))

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Add several, in their order."""
        self._diagnostics.extend(diagnostics)

    @property
    def errors(self) -> list[Diagnostic]:
        """The mistakes among them, without the warnings."""
        return [diagnostic for diagnostic in self._diagnostics if not diagnostic.is_warning]


def _window(at: Location, shown: int) -> tuple[str, int, int]:
    """The part of a line that is longer than `shown` around its caret; the caret's column in it, from 0; how wide it is."""
    first = 0
    if len(at.text) > shown:
        before = _BEFORE
        if shown < _SHOWN:
            shown -= 2  # the marks of what is left out
            before = min(_BEFORE, max(0, shown - at.width - 1))
        first = max(0, min(at.column - 1 - before, len(at.text) - shown))
    text = ("\N{HORIZONTAL ELLIPSIS}" if first else "") + at.text[first : first + shown]
    text += "\N{HORIZONTAL ELLIPSIS}" if first + shown < len(at.text) else ""
    column = at.column - 1 - first + bool(first)
    return text, column, max(1, min(at.width, len(text) - column))


def _broken(text: str, width: int, indent: str) -> list[str]:
    """The text in lines of at most `width`, broken between words; those after the first begin with `indent`."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    ) or [""]


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest of `words`; empty where none is near."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""
