"""Types of Spark's as a tree, and the columns that have them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etl.config.schema.identifiers import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JSON_WORDS = {"byte": "tinyint", "short": "smallint", "integer": "int", "long": "bigint"}


@dataclass(frozen=True, slots=True)
class Type:
    """A type of Spark's: its word in lower case, with its numbers, and what is inside it."""

    name: str  # int, decimal, array, map, struct, interval day to second, …
    numbers: tuple[int, ...] = ()
    inner: tuple[Type, ...] = ()  # of an array its elements', of a map its keys' and values'
    fields: tuple[Column, ...] = ()

    def __str__(self) -> str:
        """The type as a fingerprint knows it: in lower case, without spaces."""
        if self.name == "struct":
            return f"struct<{','.join(f'{item.name.lower()}:{item.shape}' for item in self.fields)}>"
        if self.inner:
            return f"{self.name}<{','.join(map(str, self.inner))}>"
        return self.name + (f"({','.join(map(str, self.numbers))})" if self.numbers else "")

    def ddl(self) -> str:
        """The type as Spark parses it again, whatever its fields are called."""
        if self.name == "struct":
            return f"STRUCT<{', '.join(f'{quoted(item.name)}: {item.shape.ddl()}' for item in self.fields)}>"
        if self.inner:
            return f"{self.name.upper()}<{', '.join(item.ddl() for item in self.inner)}>"
        return str(self).upper()


@dataclass(frozen=True, slots=True)
class Column:
    """One column, or one field of a struct: its name as written and its type."""

    name: str
    shape: Type
    offset: int = field(default=0, compare=False)  # where the name is written

    @property
    def type(self) -> str:
        """The type as text, in lower case."""
        return str(self.shape)


def schema(columns: Sequence[Column]) -> str:
    """The DDL of `columns`, names quoted."""
    return ", ".join(f"{quoted(column.name)} {column.shape.ddl()}" for column in columns)


def of_json(fields: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of a schema as Spark writes it in JSON: the `fields` of its struct."""
    return tuple(Column(str(item["name"]), _of_json(item["type"])) for item in fields)


def _of_json(kind: Any) -> Type:
    if not isinstance(kind, dict):
        word, _, rest = str(kind).partition("(")
        return Type(_JSON_WORDS.get(word, word), tuple(int(number) for number in re.findall(r"\d+", rest)))
    if kind["type"] == "struct":
        return Type("struct", fields=of_json(kind["fields"]))
    if kind["type"] == "array":
        return Type("array", inner=(_of_json(kind["elementType"]),))
    if kind["type"] == "map":
        return Type("map", inner=(_of_json(kind["keyType"]), _of_json(kind["valueType"])))
    return _of_json(kind["sqlType"])  # a user-defined type is what it is stored as
