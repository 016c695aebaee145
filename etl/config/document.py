"""A YAML file's values, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from etl.config.diagnostics import Locate, Location

if TYPE_CHECKING:
    from collections.abc import Sequence

Path_: TypeAlias = tuple[str | int, ...]


_UNDER = {"sources": "source", "flows": "flow"}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file's values, and the place of every key and value in it."""

    file: str
    values: Any
    keys: dict[Path_, Location] = field(default_factory=dict)
    places: dict[Path_, Location] = field(default_factory=dict)
    blocks: frozenset[Path_] = frozenset()  # values written as `|` or `>` blocks: their text starts a line below
    lines: tuple[str, ...] = ()
    elsewhere: dict[Path_, tuple[str, tuple[str, ...]]] = field(
        default_factory=dict
    )  # texts of other files: name, lines

    def place(self, path: Sequence[str | int], *, key: bool = False) -> Location:
        """Where the value (or its key) at `path` stands; of its nearest ancestor where it does not stand itself."""
        at = tuple(path)
        first, second = (self.keys, self.places) if key else (self.places, self.keys)
        while at:
            found = first.get(at) or second.get(at)
            if found is None and at[0] in _UNDER:  # said by `defaults`
                under = ("defaults", _UNDER[str(at[0])], *at[2:])
                found = (first.get(under) or second.get(under)) if len(at) > 2 else None  # noqa: PLR2004  # a section and a name
            if found is not None:
                return found
            at = at[:-1]
        return self.places.get((), Location(self.file, 1, 1))

    def text_place(self, path: Path_, text: str = "", offset: int = 0) -> Location:
        """Where the character at `offset` of a text value stands, however the value is quoted, folded or indented.

        YAML moves white space only, so the places are found by counting the other characters; where an escape makes that
        wrong, it is the place of the whole value.
        """
        at = self.place(path)
        if path in self.elsewhere:
            file, lines = self.elsewhere[path]
            number = text[:offset].count("\n") + 1
            line = lines[number - 1] if number <= len(lines) else ""
            return Location(file, number, offset - (text[:offset].rfind("\n") + 1) + 1, 1, line)
        row, column = at.line - 1, at.column - 1
        if path in self.blocks:
            row, column = row + 1, 0
        elif at.text[column : column + 1] in ("'", '"'):
            column += 1
        wanted = [letter for letter in text[: offset + 1] if not letter.isspace()]
        if offset < len(text) and text[offset].isspace():
            wanted.append("")  # the first place after what stands before it
        found = 0
        for below in range(row, len(self.lines)):
            written = self.lines[below]
            for index in range(column if below == row else 0, len(written)):
                if found == len(wanted) - 1 and not wanted[found]:
                    return Location(at.file, below + 1, index + 1, 1, written)
                if written[index].isspace():
                    continue
                if found >= len(wanted) or written[index] != wanted[found]:
                    return at if wanted else Location(at.file, below + 1, index + 1, 1, written)
                found += 1
                if found == len(wanted):
                    return Location(at.file, below + 1, index + 1, 1, written)
        return at

    def locate(self, path: Path_, text: str) -> Locate:
        """The places of a text value's characters."""
        return lambda offset: self.text_place(path, text, offset)


def shown(path: Path) -> str:
    """A file's name as messages show it: relative to the current folder where it lies inside."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
