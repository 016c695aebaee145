"""YAML as values that know where they were written.

YAML 1.2's core types only: `on`, `yes` and `22:22` are strings, `012` is 12, `1e3` is a number. Refused, each at its place:
keys that stand twice, tags, several documents, deep nesting, aliases that explode.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from etl.config.diagnostics import Diagnostic, Location
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

Path_: TypeAlias = tuple[str | int, ...]

_MOST_DEEP = 40
_MOST_NODES = 50_000
_STR, _INT, _FLOAT, _BOOL, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_KNOWN_TAGS = {
    _STR,
    _INT,
    _FLOAT,
    _BOOL,
    _NULL,
    "tag:yaml.org,2002:map",
    "tag:yaml.org,2002:seq",
    "tag:yaml.org,2002:merge",
}


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's reader with the core schema's implicit types instead of YAML 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own protocol


for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (
        _FLOAT,
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+.0123456789"),
    ),
    ("tag:yaml.org,2002:merge", r"^<<$", ["<"]),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


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
            if found is not None:
                return found
            at = at[:-1]
        return self.places.get((), Location(self.file, 1, 1))

    def text_place(self, path: Path_, text: str = "", offset: int = 0) -> Location:
        """Where the character at `offset` of a text value stands; a block's text starts on the line below its `|`."""
        at = self.place(path)
        if path in self.elsewhere:
            file, lines = self.elsewhere[path]
            number = text[:offset].count("\n") + 1
            line = lines[number - 1] if number <= len(lines) else ""
            return Location(file, number, offset - (text[:offset].rfind("\n") + 1) + 1, 1, line)
        if path not in self.blocks:
            quoted = at.text[at.column - 1 : at.column] in ("'", '"')
            return Location(at.file, at.line, at.column + int(quoted) + offset, 1, at.text)
        before = text[:offset]
        number = at.line + 1 + before.count("\n")
        line = self.lines[number - 1] if number <= len(self.lines) else ""
        indent = len(line) - len(line.lstrip())
        return Location(at.file, number, indent + 1 + offset - (before.rfind("\n") + 1), 1, line)


def shown(path: Path) -> str:
    """A file's name as messages show it: relative to the current folder where it lies inside."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_document(path: Path) -> Document:
    """The values of one YAML file; ConfigurationError, with every place, where it cannot be taken."""
    file = shown(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        raise _error("E100", f"cannot read the file: {cause.strerror}", Location(file, 1, 1)) from cause
    except UnicodeDecodeError as cause:
        raise _error(
            "E100", f"the file is not UTF-8: byte {cause.start}", Location(file, 1, 1), "save it as UTF-8"
        ) from cause
    lines = text.splitlines()
    try:
        loader = _CoreLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return _Reader(file, lines).read(node)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        at = _location(file, lines, mark.line, mark.column) if mark else Location(file, 1, 1)
        several = "expected a single document" in str(cause)
        code = "E106" if several else "E101"
        raise _error(
            code, "several documents in one file" if several else f"not valid YAML: {cause.problem}", at
        ) from cause
    except yaml.YAMLError as cause:
        raise _error("E101", f"not valid YAML: {' '.join(str(cause).split())[:200]}", Location(file, 1, 1)) from cause
    except RecursionError as cause:
        raise _error("E106", "values are nested too deeply", Location(file, 1, 1)) from cause


class _Reader:
    """Turns one tree of nodes into values and places; collects what is wrong with it."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self._file, self._lines = file, lines
        self._found: list[Diagnostic] = []
        self._keys: dict[Path_, Location] = {}
        self._places: dict[Path_, Location] = {}
        self._blocks: set[Path_] = set()
        self._count = 0

    def read(self, node: yaml.Node | None) -> Document:
        values = {} if node is None else self._value(node, (), 0)
        if self._found:
            raise ConfigurationError(self._found)
        return Document(self._file, values, self._keys, self._places, frozenset(self._blocks), tuple(self._lines))

    def _at(self, node: yaml.Node) -> Location:
        start, end = node.start_mark, node.end_mark
        width = end.column - start.column if end.line == start.line else 1
        return _location(self._file, self._lines, start.line, start.column, width)

    def _report(self, code: str, message: str, node: yaml.Node, hint: str = "") -> None:
        self._found.append(Diagnostic(code, message, self._at(node), hint))

    def _value(self, node: yaml.Node, path: Path_, depth: int) -> Any:
        self._count += 1
        if self._count > _MOST_NODES:
            raise _error("E106", "too many values: aliases multiply them", self._at(node), "write the values out")
        if depth > _MOST_DEEP:
            raise _error("E106", f"values are nested more than {_MOST_DEEP} deep", self._at(node))
        self._places[path] = self._at(node)
        if node.tag not in _KNOWN_TAGS:
            self._report("E106", f"the tag {node.tag} is not known here", node, "leave the tag out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            self._blocks.add(path)
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, path: Path_, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                for part in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    found = self._value(part, path, depth + 1)
                    if isinstance(found, dict):
                        merged = {**found, **merged}
                    else:
                        self._report("E105", "`<<` takes a mapping", value)
                continue
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is None:
                self._report("E105", "a key must be a plain name", key)
                continue
            if name in own:
                self._report("E102", f"key '{name}' stands twice", key, "keep one of them")
                continue
            at = (*path, name)
            own[name] = self._value(value, at, depth + 1)
            self._keys[at] = self._at(key)
        self._places[path] = self._at(node)
        return {**merged, **own}

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = node.value
        try:
            if node.tag == _NULL:
                return None
            if node.tag == _BOOL:
                return text.lower() == "true"
            if node.tag == _INT:
                base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                return int(text[2:] if base != 10 else text, base)  # noqa: PLR2004  # decimal
            if node.tag == _FLOAT:
                return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
        except ValueError as cause:
            self._report("E105", f"not a number that can be used: {cause}", node)
            return None
        if any("\ud800" <= letter <= "\udfff" or letter == "\0" for letter in text):
            self._report("E105", "the text has a character that is none (NUL or half of a pair)", node)
        return text


def _location(file: str, lines: list[str], line: int, column: int, width: int = 1) -> Location:
    text = lines[line] if line < len(lines) else ""
    return Location(file, line + 1, column + 1, max(1, width), text)


def _error(code: str, message: str, at: Location, hint: str = "") -> ConfigurationError:
    return ConfigurationError([Diagnostic(code, message, at, hint)])
