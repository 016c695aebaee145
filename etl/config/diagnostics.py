"""Where something is written, and what is wrong with it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.secrets import redact

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file; line and column count from 1."""

    file: str
    line: int
    column: int
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Location(file="", line=0, column=0)


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

    def render(self) -> str:
        """The contract's text: `file:line:column [code] message`, the line, a caret and the hint."""
        if self.at == NOWHERE:
            head = f"[{self.code}] {self.message}"
            return f"{head}\n  {self.hint}" if self.hint else head
        head = f"{self.at} [{self.code}] {self.message}"
        if not self.at.text:
            return f"{head}\n  {self.hint}" if self.hint else head
        number = f" {self.at.line} | "
        blank = " " * (len(number) - 2) + "| "
        caret = " " * (self.at.column - 1) + "^" * max(1, self.at.width)
        return f"{head}\n{number}{self.at.text}\n{blank}{caret}{' ' + self.hint if self.hint else ''}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` for the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""
