"""Arrow's types as Spark's, and Arrow's values as plain ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from arro3.core import DataType, Schema
from deltalake import Schema as DeltaSchema

from etl.config.schema.types import Column, Type, of_json
from etl.planning.plain_values import plain

if TYPE_CHECKING:
    from datetime import tzinfo

    from arro3.core import ChunkedArray, Field, Table

_UNSIGNED = (
    (DataType.is_uint8, Type("smallint")),
    (DataType.is_uint16, Type("int")),
    (DataType.is_uint32, Type("bigint")),
    (DataType.is_uint64, Type("decimal", (20, 0))),
)


def columns_of(table: Table, *, stored: tuple[str, ...]) -> tuple[Column, ...]:
    """The columns of an Arrow table with the types that Spark has for them; where it has none, with Arrow's name.

    A column that has the name of one of those `stored`, in whatever letters, is written as that.
    """
    written = {name.lower(): name for name in stored}
    return tuple(
        Column(written.get(name.lower(), name), _shape(table.schema.field(name))) for name in table.column_names
    )


def rows_of(table: Table, columns: tuple[Column, ...], zone: tzinfo) -> tuple[tuple[Any, ...], ...]:
    """The rows of an Arrow table that has these columns, as plain values; instants are told in `zone`.

    Raises ValueError, with the column's name, where Python has no value for one that lies within another, such as a year beyond 9999.
    """
    values = (
        [plain(raw, column.shape, zone) for raw in _raw(column.name, table.column(index))]
        for index, column in enumerate(columns)
    )
    return tuple(zip(*values, strict=True))


def _raw(name: str, values: ChunkedArray) -> list[Any]:
    """The values of a column as Python's; instants and days that Python has no value for as the text that Arrow has for them: ISO 8601."""
    try:
        return list(values.to_pylist())
    except (ValueError, OverflowError) as cause:
        if not DataType.is_temporal(values.type):
            message = f"column '{name}' holds a value that cannot be shown: {cause}"
            raise ValueError(message) from cause
        return list(values.cast(DataType.string()).to_pylist())


def _shape(field: Field) -> Type:
    unsigned = next((shape for is_it, shape in _UNSIGNED if is_it(field.type)), None)
    if unsigned is not None:
        return unsigned
    if DataType.is_timestamp(field.type):  # in every unit and zone: Delta's own types have one of each
        return Type("timestamp" if field.type.tz else "timestamp_ntz")
    try:
        schema = DeltaSchema.from_arrow(Schema([field]))
    except Exception:  # noqa: BLE001  # deltalake raises nothing narrower for a type that no Delta table has
        return Type(str(field.type).partition("<")[2].partition("(")[0].rstrip(">\n ").lower())
    return of_json(json.loads(schema.to_json())["fields"])[0].shape
