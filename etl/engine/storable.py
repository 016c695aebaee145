"""What a Delta table cannot hold: intervals and, without column mapping, names with one of its own characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.types import AnsiIntervalType, ArrayType, CalendarIntervalType, MapType, StructType

from etl.config.diagnostics import Diagnostic
from etl.engine.commit import COLUMN_MAPPING
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

    from etl.config.spec import FlowSpec

_NOT_IN_NAMES = frozenset(" ,;{}()\n\t=")
_SHOWN = "a space, a tab, a line's end or ,;{}()="


def check(flow: FlowSpec, output: DataFrame) -> None:
    """ConfigurationError for a column that no Delta table holds, before one is made; also where it is within another one."""
    mapped = dict(flow.sink.properties).get(COLUMN_MAPPING, "none") != "none"
    for name, kind in _within("", output.schema):
        if isinstance(kind, AnsiIntervalType | CalendarIntervalType):
            what, hint = (
                f"'{name}', an interval, which a Delta table does not hold",
                "store it as a number, or as two instants",
            )
        elif not mapped and set(name) & _NOT_IN_NAMES:
            what, hint = f"'{name}': in a Delta table's names there are none of {_SHOWN}", "rename it"
        else:
            continue
        message = f"the transform of flow '{flow.name}' returns a column {what}"
        raise ConfigurationError([Diagnostic("E345", message, flow.at, hint)])


def _within(name: str, kind: DataType) -> Iterator[tuple[str, DataType]]:
    """The types that a type is made of, each by the name of the column that it is in."""
    yield name, kind
    if isinstance(kind, StructType):
        for field in kind.fields:
            yield from _within(field.name, field.dataType)
    elif isinstance(kind, ArrayType):
        yield from _within(name, kind.elementType)
    elif isinstance(kind, MapType):
        yield from _within(name, kind.keyType)
        yield from _within(name, kind.valueType)
