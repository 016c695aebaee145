"""A YAML file's values, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from etl.config.diagnostics import Location
from etl.config.document.text_places import places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.diagnostics import Locate, Places

Path_: TypeAlias = tuple[str | int, ...]


_UNDER = {"sources": "source", "flows": "flow"}


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file's values, and the place of every key and value in it.

    Attributes:
        file: its name as messages show it.
        blocks: the values written as `|` or `>` blocks, whose text starts a line below.
        elsewhere: of the values whose text stands in another file, that file's name and lines.
    """

    file: str
    values: Any
    keys: dict[Path_, Location] = field(default_factory=dict)
    places: dict[Path_, Location] = field(default_factory=dict)
    blocks: frozenset[Path_] = frozenset()
    lines: tuple[str, ...] = ()
    elsewhere: dict[Path_, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    _texts: dict[tuple[Path_, str], Places | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def place(self, path: Sequence[str | int], *, key: bool = False) -> Location:
        """Where the value (or its key) at `path` stands; of its nearest ancestor where it does not stand itself."""
        at = tuple(path)
        first, second = (self.keys, self.places) if key else (self.places, self.keys)
        while at:
            location = first.get(at) or second.get(at)
            if location is None and at[0] in _UNDER:  # said by `defaults`
                under = ("defaults", _UNDER[str(at[0])], *at[2:])
                location = (first.get(under) or second.get(under)) if len(at) > 2 else None  # noqa: PLR2004  # a section and a name
            if location is None and at[2:3] == ("maintenance",):  # said by `defaults: {maintenance: …}`
                location = first.get(("defaults", *at[2:])) or second.get(("defaults", *at[2:]))
            if location is not None:
                return location
            at = at[:-1]
        return self.places.get((), Location(self.file, 1, 1))

    def text_place(self, path: Path_, text: str = "", offset: int = 0) -> Location:
        """Where the character at `offset` of a text value stands, however the value is quoted, folded, indented or escaped.

        Where the file does not say it letter by letter, it is the place of the whole value.
        """
        if path in self.elsewhere:
            file, lines = self.elsewhere[path]
            number = text[:offset].count("\n") + 1
            line = lines[number - 1] if number <= len(lines) else ""
            return Location(file, number, offset - (text[:offset].rfind("\n") + 1) + 1, 1, line)
        characters = self.text_places(path, text)
        return characters.at(offset) if characters is not None else self.place(path)

    def text_places(self, path: Path_, text: str) -> Places | None:
        """Where each character of a text value stands; None where the file does not say it letter by letter."""
        if (path, text) not in self._texts:
            self._texts[path, text] = places(self.file, self.lines, self.place(path), text)
        return self._texts[path, text]

    def locate(self, path: Path_, text: str) -> Locate:
        """A function that gives the place of each offset of a text value."""
        return lambda offset: self.text_place(path, text, offset)


def shown(path: Path) -> str:
    """A file's name as messages show it: relative to the current folder where it lies inside."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
