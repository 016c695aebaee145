"""Hadoop's globs over a local folder: Python's own know no `{a,b}`, and pass over hidden names that Hadoop does not.

Written from `org.apache.hadoop.fs.GlobPattern`, `GlobExpander` and `Globber` (Hadoop 3).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = re.compile(r"[*?\[\]{}\\]")


def escape(path: str) -> str:
    """A path that is meant as it is, as a pattern."""
    return MAGIC.sub(lambda sign: "\\" + sign.group(), path)


def matching(pattern: str) -> list[str]:
    """The absolute paths that an absolute pattern means, in order."""
    paths: set[str] = set()
    for expanded in _expanded(pattern):
        paths.update(_walk("/", [part for part in expanded.split("/") if part]))
    return sorted(paths)


def crosses_folders(pattern: str) -> bool:
    """Whether the paths that a pattern means may have different depths: braces of it hold a slash."""
    return any("/" in inside for _, _, inside in _braces(pattern))


def literal_folder(pattern: str) -> str:
    """The folder above the first part of a pattern that is none."""
    parts = []
    for part in pattern.split("/"):
        if MAGIC.search(part):
            break
        parts.append(part)
    return "/".join(parts) or "/"


def _walk(folder: str, parts: list[str]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    first, rest = parts[0], parts[1:]
    if not MAGIC.search(first):
        below = [first] if os.path.lexists(Path(folder, first)) else []
    else:
        matcher = re.compile(_regex(first), re.DOTALL)
        try:
            below = [entry.name for entry in Path(folder).iterdir() if matcher.fullmatch(entry.name)]
        except (NotADirectoryError, FileNotFoundError):
            below = []
    for name in below:
        yield from _walk(str(Path(folder, name)), rest)


def _regex(part: str) -> str:
    """One part of a pattern as a regular expression."""
    regex, curly, bracket, index = "", 0, False, 0
    while index < len(part):
        letter = part[index]
        if letter == "\\" and index + 1 < len(part):
            index += 1
            regex += re.escape(part[index])
        elif bracket:
            regex += "^" if letter == "!" and part[index - 1] == "[" else "\\[" if letter == "[" else letter
            bracket = letter != "]"
        elif letter == "[":
            regex, bracket = regex + "[", True
        elif letter == "*":
            regex += ".*"
        elif letter == "?":
            regex += "."
        elif letter == "{":
            regex, curly = regex + "(?:", curly + 1
        elif letter == "}" and curly:
            regex, curly = regex + ")", curly - 1
        elif letter == "," and curly:
            regex += "|"
        else:
            regex += re.escape(letter)
        index += 1
    return regex


def _expanded(pattern: str) -> list[str]:
    """The pattern without braces that reach over a slash: `{a/b,c}/d` is `a/b/d` and `c/d`."""
    for opening, closing, inside in _braces(pattern):
        if "/" in inside:
            patterns = []
            for choice in _choices(inside):
                patterns += _expanded(pattern[:opening] + choice + pattern[closing + 1 :])
            return patterns
    return [pattern]


def _braces(pattern: str) -> Iterator[tuple[int, int, str]]:
    """The outermost pairs of braces: where they stand, and what is between them."""
    depth, opening, index = 0, 0, 0
    while index < len(pattern):
        letter = pattern[index]
        if letter == "\\":
            index += 1
        elif letter == "{":
            opening = index if depth == 0 else opening
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                yield opening, index, pattern[opening + 1 : index]
        index += 1


def _choices(inside: str) -> list[str]:
    choices, depth = [""], 0
    for letter in inside:
        if letter == "," and depth == 0:
            choices.append("")
            continue
        depth += {"{": 1, "}": -1}.get(letter, 0)
        choices[-1] += letter
    return choices
