"""A table's rows as plain values of Python's, exact to the microsecond and the digit, wherever this process lies."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.config.schema.rows import Reading, Unfit
from etl.config.schema.types import of_json, schema
from etl.engine.storage.places import lines_of, place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from etl.config.schema.types import Column
    from etl.engine.session.start import SessionHandle

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


def as_text(frame: DataFrame) -> DataFrame:
    """Each row as JSON, exact, in one column `row STRING`.

    As JSON and not as Python objects of pyspark's, which turn instants into this process's own time zone.
    """
    return frame.select(F.to_json(F.struct(*(F.col(quoted(name)) for name in frame.columns)), _EXACT).alias("row"))


def rows_of(frame: DataFrame) -> TableRows:
    """All of the frame's rows, in memory."""
    columns = columns_of(frame)
    return TableRows(columns, tuple(of_text(text[0], columns) for text in as_text(frame).collect()))


class TableReader:
    """Reads tables and files in a session of its own, from any thread."""

    def __init__(self, handle: SessionHandle) -> None:
        self._session = handle.flow_session("UTC")

    def rows(self, path: str) -> TableRows:
        """All rows of the newest version of a Delta table."""
        log = _log(path)
        if log is None:
            return rows_of(self._session.read.format("delta").load(path))
        if not log.files:
            return TableRows(log.columns, ())
        # Delta would first compute the table's state by a query of its own, which costs more than reading a few rows.
        reader = self._session.read.schema(schema(log.columns)).option("basePath", path)
        rows = reader.parquet(*log.files)  # partition columns come last here
        return rows_of(rows.select(*(quoted(column.name) for column in log.columns)))

    def columns(self, kind: str, path: str) -> tuple[Column, ...]:
        """The columns of a table or a file that knows them."""
        return columns_of(self._session.read.format(kind).load(path))


@dataclass(frozen=True, slots=True)
class _Log:
    columns: tuple[Column, ...]
    files: tuple[str, ...]


def _log(table: str) -> _Log | None:
    """The newest version in a table's log; None where checkpoints, column mapping or deletion vectors make reading it Delta's work."""
    folder = place(table, "_delta_log")
    if (folder / "_last_checkpoint").exists():
        return None
    columns: tuple[Column, ...] = ()
    files: dict[str, None] = {}
    for commit in sorted(folder.glob("*.json"), key=str):
        for line in lines_of(commit):
            action = json.loads(line)
            if "metaData" in action:
                if "columnMapping" in str(action["metaData"].get("configuration")):
                    return None
                columns = of_json(json.loads(action["metaData"]["schemaString"])["fields"])
            elif "remove" in action:
                files.pop(action["remove"]["path"], None)
            elif "add" in action:
                if action["add"].get("deletionVector"):
                    return None
                files[action["add"]["path"]] = None
    return _Log(columns, tuple(str(place(table, unquote(name))) for name in files))


def of_text(text: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    """The row that `as_text` has written."""
    values = json.loads(text, parse_float=Decimal)
    return {column.name: _value(values.get(column.name), column) for column in columns}


def _value(raw: Any, column: Column) -> Any:
    try:
        return _STORED.value(raw, column.shape)
    except Unfit:
        return str(raw)  # what Python has no value for, such as a year beyond 9999, is compared as the text that it is
