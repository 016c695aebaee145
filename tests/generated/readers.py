"""A Delta table read in four ways, none of which knows of another: Spark, deltalake's own engine, DuckDB and pyarrow.

The last two read the live files of the log themselves, and take the values of partition columns from its text, as Delta's protocol says.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

Rows = list[dict[str, Any]]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # of both kinds of timestamps
_OF_TEXT: Mapping[str, Callable[[str], Any]] = {
    "string": str.encode,
    "binary": str.encode,
    "boolean": {"true": True, "false": False}.__getitem__,
    "float": lambda text: struct.unpack(">f", struct.pack(">f", float(text)))[0],
    "double": float,
    "date": lambda text: date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal(),
    "timestamp": lambda text: _micros(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")),  # noqa: DTZ007  # its zone is in the text
    "timestamp_ntz": lambda text: _micros(datetime.fromisoformat(text)),
}


def _micros(moment: datetime) -> int:
    gone = moment - _EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


def by_spark(spark: SparkSession, table: Path) -> Rows:
    """Through Spark; values that Python has no place for come as numbers and bytes."""
    frame = spark.read.format("delta").load(str(table))
    plain = {
        "string": lambda column: column.cast("binary"),
        "date": F.unix_date,
        "timestamp": F.unix_micros,
        "timestamp_ntz": lambda column: F.unix_micros(
            F.to_utc_timestamp(column.cast("timestamp"), F.current_timezone())
        ),
    }
    columns = []
    for field in frame.schema.fields:
        turned = plain.get(field.dataType.simpleString(), lambda column: column)(F.col(field.name))
        columns.append(turned.alias(field.name))
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    return [
        {name: bytes(value) if isinstance(value, bytearray) else value for name, value in row.asDict().items()}
        for row in frame.select(*columns).collect()
    ]


def by_deltalake(table: Path) -> Rows:
    """Through deltalake's scan."""
    found = QueryBuilder().register("found", DeltaTable(str(table))).execute("SELECT * FROM found")
    return _plain(pa.table(found.read_all()))


def by_pyarrow(table: Path) -> Rows:
    """Each file through pyarrow."""
    kinds, files = _live(table)
    return [
        {**row, **_partition(kinds, values)}
        for file, values in files.items()
        for row in _plain(pq.ParquetFile(file).read())
    ]


def by_duckdb(table: Path) -> Rows:
    """All files through DuckDB's reader of Parquet."""
    kinds, files = _live(table)
    if not files:
        return []
    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    read = "SELECT * FROM read_parquet(?, filename = 'etl file', hive_partitioning = false)"
    rows = _plain(duck.sql(read, params=[list(files)]).to_arrow_table())
    values = [_partition(kinds, files[row.pop("etl file").decode()]) for row in rows]
    return [{**row, **its} for row, its in zip(rows, values, strict=True)]


def _plain(table: pa.Table) -> Rows:
    columns = {name: _numbers(table.column(name)).to_pylist() for name in table.column_names}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Days and instants as numbers, texts as bytes: Python has no place for all of them."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("us", kind.tz)).cast(pa.int64())
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.binary())
    return column


def _live(table: Path) -> tuple[dict[str, str], dict[str, dict[str, str | None]]]:
    """The types of the partition columns; the live files, each with its partition's values as the log spells them."""
    kinds: dict[str, str] = {}
    files: dict[str, dict[str, str | None]] = {}
    for commit in sorted((table / "_delta_log").glob("*.json")):
        for line in commit.read_text(encoding="utf-8").split("\n"):
            action = json.loads(line) if line else {}
            if "metaData" in action:
                known = {
                    field["name"]: field["type"] for field in json.loads(action["metaData"]["schemaString"])["fields"]
                }
                kinds = {name: known[name] for name in action["metaData"]["partitionColumns"]}
            elif "add" in action:
                files[str(table / unquote(action["add"]["path"]))] = action["add"]["partitionValues"]
            elif "remove" in action:
                files.pop(str(table / unquote(action["remove"]["path"])), None)
    return kinds, files


def _partition(kinds: Mapping[str, str], values: Mapping[str, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in values.items():
        kind = kinds[name]
        of_text = Decimal if kind.startswith("decimal") else _OF_TEXT.get(kind, int)
        found[name] = None if not text else of_text(text)  # Delta's protocol: the empty text is NULL
    return found
