"""SQL as a sequence of characters: what is a string, a comment or a bracket is certain before any grammar is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

FILLER = "\N{MIDDLE DOT}"
"""What stands for a character of a string or of a quoted name: something, but no code."""

_OPAQUE = re.compile(
    r"""(?P<raw>\b[rR](?:'[^']*'|"[^"]*"))
    |(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<name>`(?:[^`]|``)*`)
    |(?P<comment>--[^\n]*)
    |(?P<open>/\*)
    |(?P<broken>['"`])""",
    re.VERBOSE | re.DOTALL,
)
_PAIRS = {")": "(", "]": "["}
_CLOSED = {"(": ")", "[": "]"}
_STARTS = {"'": "a text", '"': "a text", "`": "a name"}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is certainly wrong at an offset, and what to do."""

    message: str
    offset: int
    hint: str


@dataclass(frozen=True, slots=True)
class Scanned:
    """A text whose strings, quoted names and comments are blanks, so that every other character stands where it stood."""

    bare: str
    comment: int | None  # the offset of the first one
    flaw: Flaw | None
    statements: tuple[int, ...]  # where each statement begins that is not empty


@lru_cache(maxsize=512)
def scan(text: str) -> Scanned:
    """What can be said of a SQL text without a grammar."""
    parts: list[str] = []
    comment, flaw, at = None, None, 0
    while (match := _OPAQUE.search(text, at)) is not None:
        start, end, kind = match.start(), match.end(), match.lastgroup
        parts.append(text[at:start])
        if kind == "open":
            end = _comment_end(text, start)
            if end < 0:
                flaw, end = flaw or Flaw("a comment is never closed", start, "close it with */"), len(text)
        elif kind == "broken":
            quote = match.group()
            flaw = flaw or Flaw(f"{_STARTS[quote]} in quotes is never closed", start, f"close it with {quote}")
            end = len(text)
        if kind in ("comment", "open"):
            comment = start if comment is None else comment
            parts.append(re.sub(r"[^\n]", " ", text[start:end]))
        else:
            parts.append(re.sub(r"[^\n]", FILLER, text[start:end]))
        at = end
    bare = "".join(parts) + text[at:]
    statements = tuple(item.start(1) for item in re.finditer(r"(?:^|;)\s*([^\s;])", bare))
    return Scanned(bare, comment, flaw or _unbalanced(bare), statements)


def _comment_end(text: str, start: int) -> int:
    """Spark's comments nest."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[start:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return -1


def _unbalanced(bare: str) -> Flaw | None:
    opened: list[tuple[str, int]] = []
    for match in re.finditer(r"[()\[\]]", bare):
        letter = match.group()
        if letter in _CLOSED:
            opened.append((letter, match.start()))
        elif not opened:
            return Flaw(f"'{letter}' closes nothing", match.start(), "delete it, or open a bracket before")
        elif opened[-1][0] != _PAIRS[letter]:
            closing = _CLOSED[opened[-1][0]]
            return Flaw(f"'{letter}' stands where '{closing}' belongs", match.start(), f"close '{opened[-1][0]}' first")
        else:
            opened.pop()
    if opened:
        letter, at = opened[0] if len(opened) == 1 else opened[-1]
        return Flaw(f"'{letter}' is never closed", at, f"close it with '{_CLOSED[letter]}'")
    return None
