"""A table's rows as plain values of Python's, exact to the microsecond and the digit, wherever this process lies."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.rows import Reading, Unfit
from etl.config.types import of_json, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from etl.config.types import Column
    from etl.engine.session import SessionHandle

_STORED = Reading(dt.UTC, stored=True)
_EXACT = {
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    "ignoreNullFields": "false",
}


@dataclass(frozen=True, slots=True)
class TableRows:
    """Columns with their types, and rows as column → value."""

    columns: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]


def columns_of(frame: DataFrame) -> tuple[Column, ...]:
    """The frame's columns; runs nothing."""
    return of_json(frame.schema.jsonValue()["fields"])


def rows_of(frame: DataFrame) -> TableRows:
    """All of the frame's rows, in memory."""
    columns = columns_of(frame)
    # As JSON and not as Python objects of pyspark's, which turn instants into this process's own time zone.
    whole = F.to_json(F.struct(*(F.col(quoted(name)) for name in frame.columns)), _EXACT)
    return TableRows(columns, tuple(_row(text[0], columns) for text in frame.select(whole).collect()))


class TableReader:
    """Reads tables and files in a session of its own, from any thread."""

    def __init__(self, handle: SessionHandle) -> None:
        self._session = handle.flow_session("UTC")

    def rows(self, path: str) -> TableRows:
        """All rows of the newest version of a Delta table."""
        return rows_of(self._session.read.format("delta").load(path))

    def columns(self, kind: str, path: str) -> tuple[Column, ...]:
        """The columns of a table or a file that knows them."""
        return columns_of(self._session.read.format(kind).load(path))


def _row(text: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    found = json.loads(text, parse_float=Decimal)
    return {column.name: _value(found.get(column.name), column) for column in columns}


def _value(raw: Any, column: Column) -> Any:
    try:
        return _STORED.value(raw, column.shape)
    except Unfit:
        return str(raw)  # what Python has no value for, such as a year beyond 9999, is compared as the text that it is
