"""The schema of JSON documents, inferred from a sample: structs, arrays, and the narrowest type of each value."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from etl.config.schema.identifiers import quoted
from etl.operations.inference.types import Values

_MOST_FIELDS = 200  # above that an object is rather a map


@dataclass(slots=True)
class Node:
    """Everything that was seen in one place of the documents, and how often.

    Attributes:
        scalars: Texts, numbers and booleans.
        others: Numbers and booleans.
        fields: Name → what was seen under it in objects.
        items: What was seen in arrays.
        example: The first value that can be written as text.
    """

    values: Values = field(default_factory=Values)
    scalars: int = 0
    texts: int = 0
    others: int = 0
    fields: dict[str, Node] = field(default_factory=dict)
    objects: int = 0
    items: Node | None = None
    arrays: int = 0
    nulls: int = 0
    example: str | None = None

    def add(self, value: Any) -> None:
        """Look at one value."""
        if value is None:
            self.nulls += 1
        elif isinstance(value, dict):
            self.objects += 1
            for key, inner in value.items():
                self.fields.setdefault(key, Node()).add(inner)
        elif isinstance(value, list):
            self.arrays += 1
            self.items = self.items or Node()
            for element in value:
                self.items.add(element)
        else:
            self._scalar(value)

    def _scalar(self, value: Any) -> None:
        self.scalars += 1
        if isinstance(value, str):
            self.texts += 1
            self.example = value if self.example is None and value else self.example
            # Spark parses dates out of JSON text, but no numbers and no booleans.
            kind = Values()
            kind.add(value)
            self.values.forms |= (
                kind.forms if kind.type() in ("DATE", "TIMESTAMP") or kind.forms == {"fine"} else {"text"}
            )
        else:
            self.others += 1
            text = str(value).lower() if isinstance(value, bool) else str(value)
            self.values.add(text)
            self.example = (
                text if self.example is None and text[-1:].isalnum() and "n" not in text.lower() else self.example
            )

    def type(self) -> str:
        """Spark's type for all that was seen; text where kinds are mixed, which Spark reads as JSON text."""
        kinds = (self.scalars > 0) + (self.objects > 0) + (self.arrays > 0)
        if kinds != 1 or (self.texts and self.others):
            return "STRING"
        if self.arrays:
            return f"ARRAY<{self.items.type() if self.items else 'STRING'}>"
        if self.objects:
            return self._struct()
        kind = self.values.type()
        return "DOUBLE" if kind.startswith("DECIMAL") and not kind.endswith(",0)") else kind

    def _struct(self) -> str:
        if not self.fields or len(self.fields) > _MOST_FIELDS or not nameable(self):
            return "STRING"
        return f"STRUCT<{', '.join(f'{quoted(name)}: {node.type()}' for name, node in self.fields.items())}>"


def nameable(node: Node) -> bool:
    """Whether a table can hold a struct of these fields: Delta takes no ` ,;{}()=`, tab or line break in a name, Spark no two names alike."""
    names = [name.lower() for name in node.fields]
    return len(set(names)) == len(names) and all(
        name and name.isprintable() and not set(name) & set(" ,;{}()\n\t=") for name in node.fields
    )


@dataclass(slots=True)
class JsonSample:
    """The documents of one file's beginning."""

    root: Node
    rows: int
    malformed: int
    multi_line: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.root.fields)


def sample(text: str, *, whole: bool, most: int) -> JsonSample | None:
    """The documents in `text`: a line each, or one document or array for the whole file; None where it is no JSON."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not whole and len(lines) > 1:
        lines.pop()  # it may have been cut off
    parsed = [_parse(line) for line in lines[:most]]
    if whole and lines and not isinstance(parsed[0], dict):
        document = _parse(text)
        documents = document if isinstance(document, list) else [document]
        objects = [value for value in documents if isinstance(value, dict)]
        if objects:
            return _of(objects[:most], malformed=len(documents) - len(objects), multi_line=True)
    good = [value for value in parsed if isinstance(value, dict)]
    return _of(good, malformed=len(parsed) - len(good), multi_line=False) if good or not lines else None


_DAMAGED = object()


def _parse(text: str) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):  # damaged, or with a number too long for Python
        return _DAMAGED


def _of(documents: list[dict[str, Any]], *, malformed: int, multi_line: bool) -> JsonSample:
    root = Node()
    for document in documents:
        root.add(document)
    return JsonSample(root, len(documents) + malformed, malformed, multi_line)


def merged(samples: list[JsonSample]) -> Node:
    """What all samples showed together."""
    root = Node()
    for part in samples:
        _merge(root, part.root)
    return root


def _merge(into: Node, other: Node) -> None:
    into.values.forms |= other.values.forms
    for name in ("scalars", "texts", "others", "objects", "arrays", "nulls"):
        setattr(into, name, getattr(into, name) + getattr(other, name))
    for name in ("largest", "whole_digits", "scale"):
        setattr(into.values, name, max(getattr(into.values, name), getattr(other.values, name)))
    into.example = into.example if into.example is not None else other.example
    into.values.exponent |= other.values.exponent
    for key, node in other.fields.items():
        _merge(into.fields.setdefault(key, Node()), node)
    if other.items is not None:
        into.items = into.items or Node()
        _merge(into.items, other.items)
