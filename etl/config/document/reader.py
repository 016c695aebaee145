"""A YAML file read into a `Document`: its values, and where each of them stands.

YAML 1.2's core types only: `on`, `yes` and `22:22` are text, `012` is 12, `1e3` is a number. Refused, each at its place: keys that
stand twice or are no text, tags, several documents, deep nesting, aliases that explode, characters that are none. The file is taken
event by event, since libyaml's own composer follows nesting with the C stack until the process dies.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from etl.config.diagnostics import Diagnostic, Location
from etl.config.document.document import Document, Path_, shown
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_DEEP = 40
_MOST_VALUES = 50_000
_MOST_BYTES = 4 * 2**20
_MOST_INTEGER = 2**63 - 1
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is fifteen times as fast

_NULL = re.compile(r"(?:~|null|Null|NULL|)")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_TYPED = re.compile(r"[-+.~0-9nNtTfF]|$")  # how a plain text begins that may be no text
_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile(r"\r\n|\r|\n")
_ENCODINGS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)

# What to do about what libyaml says, by a part of its words.
_QUOTED = re.compile(r""" "(?:[^"\\]|\\.)*" | '[^']*' """, re.VERBOSE)
_UNQUOTED = re.compile(
    r"[^\s,{}\[\]]*\$\{\w[^}]*\}[^\s,{}\[\]]*"
)  # a value with ${…}, of those that stand in no quotes
_ADVICE = (
    ("mapping values are not allowed", "a text with ': ' in it stands in quotes; else look at the indentation"),
    ("could not find expected ':'", "a key is followed by ': ' and its value"),
    ("cannot start any token", "a text that begins with this character stands in quotes; indent with spaces, never with tabs"),
    ("tab character", "indent with spaces, never with tabs"),
    ("expected <block end>", "keys of one mapping begin in the same column"),
    ("did not find expected key", "keys of one mapping begin in the same column, and quotes end where the text does"),
    ("did not find expected '-' indicator", "the items of a list begin in the same column"),
    ("did not find expected ',' or '}'", "close it with '}', and put ', ' between what is in it"),
    ("did not find expected ',' or ']'", "close it with ']', and put ', ' between what is in it"),
    ("expected ',' or '}'", "close it with '}', and put ', ' between what is in it"),
    ("expected ',' or ']'", "close it with ']', and put ', ' between what is in it"),
    ("unexpected end of stream", "close the quotes that are opened here"),
    ("undefined alias", "an anchor, &name, stands before its alias, *name"),
    ("invalid Unicode", "write the character itself, or the whole of its escape"),
    ("unknown escape", r"in double quotes a backslash is written \\; in single quotes it is itself"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Node:
    """A value as it was written: `inside` is text, a list of nodes, or a list of pairs of nodes."""

    kind: str  # scalar, sequence, mapping
    inside: Any
    start: Any
    end: Any
    plain: bool = False
    block: bool = False


def read_document(path: Path) -> Document:
    """The values of one YAML file, and their places.

    Raises ConfigurationError, with every mistake at its place, where the file cannot be read or is not YAML of the kind above.
    """
    file = shown(path)
    text = _text(path, file)
    lines = _BREAK.split(text)
    if len(lines) > 1 and not lines[-1]:
        del lines[-1]
    return _Reader(file, lines).read(text)


def _text(path: Path, file: str) -> str:
    start = Location(file, 1, 1)
    try:
        if path.is_dir():
            raise _error(
                "E100", "this is a folder, not a file", start, "the pipeline's file stands in it: pipeline.yml"
            )
        if not path.is_file():
            raise _error("E100", "this is no regular file", start, "keep pipelines in files of their own")
        size = path.stat().st_size
        if size > _MOST_BYTES:
            message = f"the file has {size:,} bytes, and a pipeline's has at most {_MOST_BYTES:,}"
            raise _error("E133", message, start, "keep data out of it; split the pipeline")
        data = path.read_bytes()
    except OSError as cause:
        raise _error("E100", f"the file cannot be read: {cause.strerror}", start, "look at its permissions") from cause
    for mark, name in _ENCODINGS:
        if data.startswith(mark):
            raise _error("E135", f"the file is {name}, not UTF-8", start, "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        before = data[: cause.start].decode("utf-8-sig", errors="replace")
        at = _inside(file, before, len(before), data.decode("utf-8-sig", errors="replace"))
        raise _error(
            "E135", f"the byte 0x{data[cause.start]:02x} is not UTF-8", at, "save the file as UTF-8"
        ) from cause
    wrong = _NO_TEXT.search(text)
    if wrong is not None:
        at = _inside(file, text, wrong.start(), text)
        name = f"U+{ord(wrong.group()):04X}"
        raise _error(
            "E132", f"the character {name} does not belong in a file of text", at, "delete it; it may be invisible"
        )
    return text


def _inside(file: str, text: str, offset: int, whole: str) -> Location:
    """The place of a character of a text that YAML has not seen; what cannot be shown is shown as a dot."""
    before = _BREAK.split(text[:offset])
    line = _BREAK.split(whole)[len(before) - 1]
    return Location(file, len(before), len(before[-1]) + 1, 1, _NO_TEXT.sub("\N{MIDDLE DOT}", line))


class _Reader:
    """Turns one file into values and places; collects what is wrong with it."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self._file, self._lines = file, lines
        self._found: list[Diagnostic] = []
        self._keys: dict[Path_, Location] = {}
        self._places: dict[Path_, Location] = {}
        self._blocks: set[Path_] = set()
        self._anchors: dict[str, _Node] = {}
        self._count = 0

    def read(self, text: str) -> Document:
        try:
            node = self._root(text)
        except yaml.MarkedYAMLError as cause:
            raise self._syntax(cause) from cause
        except yaml.YAMLError as cause:  # the reader's own, which has no mark
            reason = " ".join(str(cause).split())[:200]
            raise _error("E101", f"this is not YAML: {reason}", Location(self._file, 1, 1)) from cause
        values = {} if node is None else self._value(node, (), 0)
        if self._found:
            raise ConfigurationError(self._found)
        return Document(self._file, values, self._keys, self._places, frozenset(self._blocks), tuple(self._lines))

    # From events to nodes

    def _root(self, text: str) -> _Node | None:
        events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        root: _Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    at = self._location(event.start_mark, event.end_mark)
                    raise _error(
                        "E108", "a second document begins here", at, "one pipeline a file; move it to one of its own"
                    )
                root = self._node(next(events), events, 0)
        return root

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> _Node:
        at = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            anchored = self._anchors.get(str(event.anchor))
            if anchored is None:
                hint = "an anchor, &name, stands before its alias, *name, and does not hold it"
                raise _error(
                    "E101",
                    f"there is no anchor '&{event.anchor}' before its alias",
                    self._location(at, event.end_mark),
                    hint,
                )
            return anchored
        if depth > _MOST_DEEP:
            place = self._location(at, event.end_mark)
            raise _error("E109", f"values are nested more than {_MOST_DEEP} deep", place, "no pipeline needs that")
        if event.tag is not None:
            place = self._location(at, event.end_mark)
            self._found.append(
                Diagnostic(
                    "E106",
                    f"the tag {_short_tag(event.tag)} is refused",
                    place,
                    "leave the tag out; quotes make a value text",
                )
            )
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(
                "scalar", event.value, at, event.end_mark, event.style in (None, ""), event.style in ("|", ">")
            )
        else:
            inside: list[Any] = []
            kind = "sequence" if isinstance(event, yaml.SequenceStartEvent) else "mapping"
            ends = yaml.SequenceEndEvent if kind == "sequence" else yaml.MappingEndEvent
            following = next(events)
            while not isinstance(following, ends):
                first = self._node(following, events, depth + 1)
                inside.append(first if kind == "sequence" else (first, self._node(next(events), events, depth + 1)))
                following = next(events)
            node = _Node(kind, inside, at, following.end_mark)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _syntax(self, cause: yaml.MarkedYAMLError) -> ConfigurationError:
        """Libyaml's words, placed where the mistake is more likely to be: at what was opened and never closed."""
        problem, place = str(cause.problem), str(cause.context or "")
        mark = cause.problem_mark or cause.context_mark
        if "document start" in problem and mark is not None:
            hint = "one pipeline a file; move it to one of its own"
            return _error("E108", "a second document begins here", self._location(mark, mark), hint)
        if "nesting depth" in problem and mark is not None:  # libyaml's own limit, which looks ahead of ours
            at = self._location(mark, mark)
            return _error("E109", f"values are nested more than {_MOST_DEEP} deep", at, "no pipeline needs that")
        opened = "quoted scalar" in place or "flow" in place or "simple key" in place
        if opened and cause.context_mark is not None:
            mark = cause.context_mark
        at = self._location(mark, mark) if mark is not None else Location(self._file, 1, 1)
        if "mapping values" in problem and (before := self._without_colon(at)) is not None:
            return _error(
                "E101", "this is not YAML: a key without its colon", before, "a key is followed by ': ' and its value"
            )
        if "quoted scalar" in place and "unexpected end" in problem:
            problem = "this text never ends"
        elif "flow" in place and "did not find" in problem:
            problem = f"what is opened here is never closed: {problem}"
        hint = next(
            (advice for words, advice in _ADVICE if words in str(cause.problem)),
            "look at indentation, quotes and brackets",
        )
        if "flow" in place and (value := _UNQUOTED.search(_QUOTED.sub("", at.text[at.column - 1 :]))):
            hint = f'the braces of ${{…}} close and open others: put the value in quotes, "{value.group().strip()}"'
        return _error("E101", f"this is not YAML: {problem}", at, hint)

    def _without_colon(self, at: Location) -> Location | None:
        """The line above, where it begins in the same column and is no more than words: it was taken for the key's begin."""
        if at.line < 2:  # noqa: PLR2004  # the first line has none above
            return None
        line, above = self._lines[at.line - 1], self._lines[at.line - 2]
        indent = len(line) - len(line.lstrip())
        if not re.fullmatch(r" *[A-Za-z_][^:#]*", above) or len(above) - len(above.lstrip()) != indent:
            return None
        return Location(self._file, at.line - 1, indent + 1, len(above.rstrip()) - indent, above)

    # From nodes to values

    def _value(self, node: _Node, path: Path_, depth: int) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES:
            at = self._at(node)
            raise _error(
                "E109",
                f"the file holds more than {_MOST_VALUES:,} values: aliases multiply them",
                at,
                "write out what is meant",
            )
        if depth > _MOST_DEEP:
            raise _error(
                "E109", f"values are nested more than {_MOST_DEEP} deep", self._at(node), "no pipeline needs that"
            )
        self._places[path] = self._at(node)
        if node.kind == "mapping":
            return self._mapping(node, path, depth)
        if node.kind == "sequence":
            return [self._value(item, (*path, index), depth + 1) for index, item in enumerate(node.inside)]
        if node.block:
            self._blocks.add(path)
        return self._scalar(node)

    def _mapping(self, node: _Node, path: Path_, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        merges = [(key, value) for key, value in node.inside if key.plain and key.inside == "<<"]
        if len(merges) > 1:
            self._report("E102", "'<<' stands twice", merges[1][0], "take both at once: <<: [*one, *other]")
        for _, value in merges:  # before the own keys, whose places count
            for part in value.inside if value.kind == "sequence" else [value]:
                values = self._value(part, path, depth + 1)
                if part.kind == "mapping":
                    merged = {**values, **merged}
                else:
                    self._report(
                        "E117", "'<<' takes a mapping, or a list of mappings", part, "give it an alias: <<: *name"
                    )
        first: dict[str, _Node] = {}
        for key, value in node.inside:
            if key.plain and key.inside == "<<":
                continue
            if key.kind != "scalar" or not isinstance(name := self._scalar(key), str):
                shown = f"'{key.inside or '~'}'" if key.kind == "scalar" else f"a {key.kind}"
                self._report(
                    "E116",
                    f"a key is text, and {shown} is none",
                    key,
                    "put it in quotes, if it is meant" if key.kind == "scalar" else "write a name",
                )
                continue
            if name in first:
                line = first[name].start.line + 1
                self._report("E102", f"the key '{name}' stands twice, first on line {line}", key, "keep one of them")
                continue
            first[name] = key
            at = (*path, name)
            own[name] = self._value(value, at, depth + 1)
            self._keys[at] = self._at(key)
        self._places[path] = self._at(node)
        return {**merged, **own}

    def _scalar(self, node: _Node) -> Any:
        text: str = node.inside
        if node.plain and _TYPED.match(text):
            if _NULL.fullmatch(text):
                return None
            if _BOOL.fullmatch(text):
                return text.lower() == "true"
            if _INT.fullmatch(text):
                return self._integer(node)
            if _FLOAT.fullmatch(text):
                number = float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
                if number in (float("inf"), float("-inf")) and "inf" not in text.lower():
                    self._report("E118", "the number is too great", node, "put it in quotes, if it is text")
                return number
        if "\0" in text:
            self._report("E132", "the text holds the character NUL", node, "leave it out")
        return text

    def _integer(self, node: _Node) -> int:
        text = node.inside
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        digits = text if base == 10 else text[2:]  # noqa: PLR2004  # decimal
        number = int(digits, base) if len(digits.lstrip("+-0")) < 32 else _MOST_INTEGER + 1  # noqa: PLR2004  # more than any 64 bits
        if abs(number) > _MOST_INTEGER:
            self._report("E118", "the whole number has more than 64 bits", node, "put it in quotes, if it is text")
        return number

    # Places

    def _at(self, node: _Node) -> Location:
        return self._location(node.start, node.end)

    def _location(self, start: Any, end: Any) -> Location:
        """A mark's place; the end of the file is the end of its last line."""
        if start.line >= len(self._lines):
            last = self._lines[-1]
            return Location(self._file, len(self._lines), len(last) + 1, 1, last)
        width = end.column - start.column if end.line == start.line else 1
        return Location(self._file, start.line + 1, start.column + 1, max(1, width), self._lines[start.line])

    def _report(self, code: str, message: str, node: _Node, hint: str) -> None:
        self._found.append(Diagnostic(code, message, self._at(node), hint))


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _error(code: str, message: str, at: Location, hint: str = "") -> ConfigurationError:
    return ConfigurationError([Diagnostic(code, message, at, hint)])
