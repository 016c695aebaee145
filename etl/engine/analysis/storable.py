"""The columns that a Delta table cannot hold: of some types, with the names of its change feed and, without column mapping, with some characters in their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.types import (
    AnsiIntervalType,
    ArrayType,
    CalendarIntervalType,
    GeographyType,
    GeometryType,
    MapType,
    NullType,
    StringType,
    StructType,
    TimeType,
)

from etl.config.checks.columns import instead, not_held, reserved
from etl.config.diagnostics import Diagnostic
from etl.config.schema.identifiers import FEED_COLUMNS
from etl.config.schema.types import Column, Type
from etl.engine.metadata.table_properties import COLUMN_MAPPING
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

    from etl.config.spec import FlowSpec

_NOT_IN_NAMES = frozenset(" ,;{}()\n\t=")
_SHOWN = "a space, a tab, a line's end or ,;{}()="


def check(flow: FlowSpec, output: DataFrame, *, feeds: bool) -> None:
    """Raise ConfigurationError for a column that no Delta table holds, before one is made; also where it is within another one.

    `feeds`: whether others read the target's change feed.
    """
    for field in output.schema.fields:
        fault = not_held(_type(field.dataType))
        if fault:
            _refuse(flow, f"'{field.name}', {fault}, which a Delta table does not hold", instead(fault))
        if feeds and field.name.lower() in FEED_COLUMNS:
            raise ConfigurationError([reserved(flow, field.name, flow.at)])
    if dict(flow.sink.properties).get(COLUMN_MAPPING, "none") == "none":
        for name in _names("", output.schema):
            if set(name) & _NOT_IN_NAMES:
                _refuse(flow, f"'{name}': in a Delta table's names there are none of {_SHOWN}", "rename it")


def _refuse(flow: FlowSpec, what: str, hint: str) -> None:
    message = f"the transform of flow '{flow.name}' returns a column {what}"
    raise ConfigurationError([Diagnostic("E345", message, flow.at, hint)])


def _type(kind: DataType) -> Type:
    """A type as far as it matters here, as `config` knows types."""
    match kind:
        case AnsiIntervalType() | CalendarIntervalType():
            return Type("interval")
        case TimeType():
            return Type("time", (kind.precision,))
        case GeometryType():
            return Type("geometry")
        case GeographyType():
            return Type("geography")
        case NullType():
            return Type("void")
        case StringType() if not kind.isUTF8BinaryCollation():
            return Type(f"string collate {kind.collation.lower()}")
        case StructType():
            return Type("struct", fields=tuple(Column(field.name, _type(field.dataType)) for field in kind.fields))
        case ArrayType():
            return Type("array", inner=(_type(kind.elementType),))
        case MapType():
            return Type("map", inner=(_type(kind.keyType), _type(kind.valueType)))
    return Type("other")


def _names(name: str, kind: DataType) -> Iterator[str]:
    """The names of a type's fields, also of those within others."""
    if name:
        yield name
    if isinstance(kind, StructType):
        for field in kind.fields:
            yield from _names(field.name, field.dataType)
    elif isinstance(kind, ArrayType):
        yield from _names("", kind.elementType)
    elif isinstance(kind, MapType):
        yield from _names("", kind.keyType)
        yield from _names("", kind.valueType)
