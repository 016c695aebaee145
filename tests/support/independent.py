"""The independent reader: deltalake → Arrow → DuckDB. What the framework wrote is never judged by Spark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder


def connection() -> duckdb.DuckDBPyConnection:
    """A DuckDB in UTC, like the tables."""
    found = duckdb.connect()
    found.execute("SET TimeZone = 'UTC'")
    return found


def arrow(table: str | Path, storage: dict[str, str] | None = None) -> pa.Table:
    """A Delta table in Arrow; `storage`: how to reach one that lies in an object store.

    Through deltalake's own scan: its other way, a pyarrow dataset, leaves threads behind that abort a process at its end now and
    then (deltalake 1.6 with pyarrow 21 and 26).
    """
    found = (
        QueryBuilder().register("found", DeltaTable(str(table), storage_options=storage)).execute("SELECT * FROM found")
    )
    return pa.table(found.read_all())


def register(
    duck: duckdb.DuckDBPyConnection, name: str, table: str | Path, storage: dict[str, str] | None = None
) -> None:
    """Make a Delta table known to DuckDB under a name."""
    duck.register(name, arrow(table, storage))


def rows(table: str | Path, columns: str = "*") -> list[tuple[Any, ...]]:
    """The rows of a Delta table, in an order that depends on their values alone."""
    duck = connection()
    register(duck, "found", table)
    return sorted(duck.sql(f"SELECT {columns} FROM found").fetchall(), key=repr)


# When a row was quarantined depends on the mode; that it was, and why, does not. The file that it lay in is looked at by tests of its own.
_OURS = ("_etl_generation", "_etl_epoch", "_etl_file", "_etl_file_time")


def differences(duck: duckdb.DuckDBPyConnection, found: str, expected: str, floats: tuple[str, ...] = ()) -> list[str]:
    """The rows by which two relations differ as multisets; `floats` are compared to nine significant digits."""
    columns = [item[0] for item in duck.sql(f"DESCRIBE {expected}").fetchall()]
    present = [item[0] for item in duck.sql(f"DESCRIBE {found}").fetchall() if item[0] not in _OURS]
    if sorted(present) != sorted(columns):
        return [f"the columns are {present}, not {columns}"]
    shown = ", ".join(
        f"CASE WHEN {name} IS NULL THEN NULL ELSE format('{{:.9e}}', {name} + 0.0) END AS {name}"
        if name in floats
        else f'"{name}"'
        for name in columns
    )
    left, right = f"SELECT {shown} FROM {found}", f"SELECT {shown} FROM {expected}"
    lines = []
    for label, query in (
        ("only in the table", f"({left}) EXCEPT ALL ({right})"),
        ("only expected", f"({right}) EXCEPT ALL ({left})"),
    ):
        count = duck.sql(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
        if count:
            lines.append(f"{label}: {count} rows, such as {duck.sql(f'{query} LIMIT 2').fetchall()}")
    return lines


def stamps(table: str | Path) -> list[dict[str, Any]]:
    """The provenance of every commit, oldest first, read from the log's own JSON."""
    found = []
    for file in sorted(Path(table, "_delta_log").glob("*.json")):
        for line in file.read_text(encoding="utf-8").splitlines():
            info = json.loads(line).get("commitInfo")
            if info is not None:
                found.append(json.loads(info["userMetadata"])["etl"] if "userMetadata" in info else {})
    return found
