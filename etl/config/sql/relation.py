"""What is known of the columns of a table or a query without Spark: their names, and of some their types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import NOWHERE, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etl.config.schema.types import Type


UNKNOWN = "unknown"
"""The name of a type that is not known, inside one that is."""
_MAY_HAVE_ANY = (UNKNOWN, "void", "variant")


@dataclass(frozen=True, slots=True, eq=False)
class NamedColumn:
    """A column's name as written, its type where that is known, and where a schema declares it.

    Two of one name are two columns, unless they are one object.
    """

    name: str
    shape: Type | None = None
    at: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Relation:
    """The columns of a table, of a query's output, or of one part of a FROM clause.

    Attributes:
        columns: those that are known, in their order.
        unknown: why there may be others; empty where `columns` are all of them.
        has_generated_names: there are others whose names Spark makes of their expressions, such as `count(1)`: only backquotes reach them.
    """

    columns: tuple[NamedColumn, ...] = ()
    unknown: str = ""
    has_generated_names: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the known columns."""
        return tuple(column.name for column in self.columns)

    def find(self, name: str) -> tuple[NamedColumn, ...]:
        """The columns of a name, each once; capitals make no difference. Several: the name alone means none of them."""
        return tuple(dict.fromkeys(column for column in self.columns if column.name.lower() == name.lower()))

    def lacks(self, name: str) -> bool:
        """Whether it is certain that there is no column of a name."""
        generated = self.has_generated_names and not (name.isidentifier() and name.isascii())
        return not self.unknown and not generated and not self.find(name)

    def renamed(self, names: Sequence[str]) -> Relation:
        """The relation with new names for its columns, as `AS t(a, b)` gives them."""
        if not names:
            return self
        if len(self.columns) == len(names) and not self.unknown and not self.has_generated_names:
            return Relation(tuple(replace(column, name=name) for column, name in zip(self.columns, names, strict=True)))
        return Relation(tuple(NamedColumn(name) for name in names))

    def each_once(self) -> Relation:
        """The relation with the first column of each name alone."""
        first: dict[str, NamedColumn] = {}
        for column in self.columns:
            first.setdefault(column.name.lower(), column)
        return replace(self, columns=tuple(first.values()))

    def without(self, names: Iterable[str]) -> Relation:
        """The relation without some of its columns."""
        left_out = {name.lower() for name in names}
        return replace(self, columns=tuple(column for column in self.columns if column.name.lower() not in left_out))

    def read_again(self) -> Relation:
        """The relation as another part of a FROM clause reads it: the same columns, and none of them the same as before."""
        return replace(
            self, columns=tuple(NamedColumn(column.name, column.shape, column.at) for column in self.columns)
        )

    def with_columns(self, names: Iterable[str]) -> Relation:
        """The relation with columns of no known type added at its end."""
        return replace(self, columns=(*self.columns, *(NamedColumn(name) for name in names)))


def field_of(shape: Type | None, path: Sequence[str]) -> tuple[Type | None, str]:
    """The type that a path of fields leads to within a type, and the first name of the path that is no field.

    The type is None where it is not known; the name is empty where each name is a field, or may be one.
    """
    for name in path:
        while shape is not None and shape.name == "array":  # a field of an array of structs is the array of that field
            shape = shape.inner[0]
        if shape is None or shape.name in _MAY_HAVE_ANY:
            return None, ""
        if shape.name == "map":
            shape = shape.inner[1]
        elif shape.name == "struct":
            field = next((field for field in shape.fields if field.name.lower() == name.lower()), None)
            if field is None:
                return shape, name
            shape = field.shape
        else:
            return shape, name
    return shape, ""
