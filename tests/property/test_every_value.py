"""Every type and its extremes as partition values, keys, groups and sequences: the right table in every mode, alike to every reader, or a refusal.

Each flow goes one of the three ways; with `ETL_VALUES=10` every flow goes all of them, by ten seeds: other orders and time zones.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession

import etl
from tests.generated.readers import by_deltalake, by_duckdb, by_pyarrow, by_spark
from tests.generated.values import (
    COLUMNS,
    KINDS,
    OWN,
    SCHEMA,
    Row,
    exact,
    grouped,
    key_of,
    merged,
    rank,
    rows_of,
    versions,
    write,
)

SEEDS = int(os.environ.get("ETL_VALUES", "1"))
ZONES = ("Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "UTC")
WAYS = (("batch",), ("stream", "stream"), ("batch", "stream"))

_ALL = ", ".join(COLUMNS)
_ROW = f"kind, id, seq, qty, {_ALL}"
_DEFAULTS: Mapping[str, tuple[str, Any]] = {
    "v_string": ("''", b""), "v_binary": ("X''", b""), "v_boolean": ("false", False), "v_tinyint": ("0Y", 0), "v_smallint": ("0S", 0),
    "v_int": ("0", 0), "v_bigint": ("0L", 0), "v_float": ("0F", 0.0), "v_double": ("0D", 0.0), "v_decimal": ("0", 0),
    "v_date": ("DATE'1970-01-01'", 0), "v_timestamp": ("TIMESTAMP'1970-01-01T00:00:00Z'", 0),
    "v_timestamp_ntz": ("TIMESTAMP_NTZ'1970-01-01T00:00:00'", 0),
}  # fmt: skip
_GROUPED = f"SELECT {_ALL}, count(*) AS n, sum(qty) AS qty FROM given{{}} GROUP BY ALL"
_FITS = " WHERE fits"


def _flow(sql: str, sink: dict[str, Any], incremental: Any = "rows", **more: Any) -> dict[str, Any]:
    return {"inputs": ["given"], "transform": {"sql": sql}, "incremental": incremental, "sink": sink, **more}


def _by(strategy: str, **more: Any) -> dict[str, Any]:
    return {"strategy": strategy, "keys": list(COLUMNS), "sequence_by": "seq", **more}


_PARTS = {"partition_by": list(COLUMNS)}
_STATE = {"state": {"watermark": "at", "delay": "30 days"}}
_OPEN = f"SELECT {_ALL}, count(*) AS n, sum(qty) AS qty FROM given{{}} GROUP BY {_ALL}, window(at, '1 day')"
_GROUPS = {"groups": {name: name for name in COLUMNS}}
FLOWS = {
    "appended": _flow(f"SELECT {_ROW} FROM given{_FITS}", {"strategy": "append", **_PARTS}),
    "merged_parts": _flow(f"SELECT {_ROW} FROM given{_FITS}", _by("merge", **_PARTS)),
    "merged_files": _flow(f"SELECT {_ROW} FROM given", _by("merge")),
    "deleted": _flow(f"SELECT {_ROW} FROM given{_FITS}", _by("merge", delete_when="qty = 0", **_PARTS)),
    "versions_parts": _flow(f"SELECT {_ROW} FROM given{_FITS}", _by("scd2", track=["qty"], **_PARTS)),
    "versions_files": _flow(f"SELECT {_ROW} FROM given", _by("scd2", track=["qty"])),
    "groups_parts": _flow(_GROUPED.format(_FITS), {**_PARTS}, _GROUPS),
    "groups_files": _flow(_GROUPED.format(""), {}, _GROUPS),
    "state_parts": _flow(_OPEN.format(_FITS), {"strategy": "merge", "keys": list(COLUMNS), **_PARTS}, _STATE),
    "state_files": _flow(_OPEN.format(""), {"strategy": "merge", "keys": list(COLUMNS)}, _STATE),
    "whole": _flow(_GROUPED.format(_FITS), {**_PARTS}, "full"),
    "newest": _flow(
        f"SELECT kind, id, {', '.join(f'coalesce({name}, {default}) AS {name}' for name, (default, _) in _DEFAULTS.items())} FROM given",
        {"strategy": "merge", "keys": ["kind"], "sequence_by": list(COLUMNS)},
    ),
    "mapped": _flow(
        f"SELECT {_ROW} FROM given{_FITS}", _by("merge", **_PARTS, properties={"delta.columnMapping.mode": "name"})
    ),
}  # fmt: skip


def _model(rows: list[Row]) -> dict[str, list[Row]]:
    def whole(row: Row) -> tuple[Any, ...]:
        return (row["seq"], *(rank(row[name]) for name in ("kind", "id", "seq", "qty", *COLUMNS)))

    def value(row: Row) -> tuple[Any, ...]:
        unsigned = {name: row[name] + 0.0 if isinstance(row[name], float) else row[name] for name in COLUMNS}
        return (*(rank(unsigned[name]) for name in COLUMNS), row["id"], *(rank(row[name]) for name in COLUMNS))

    fitting = [row for row in rows if row["fits"]]
    defaults = {name: default for name, (_, default) in _DEFAULTS.items()}
    filled = [
        {"kind": row["kind"], "id": row["id"]}
        | {name: defaults[name] if row[name] is None else row[name] for name in COLUMNS}
        for row in rows
    ]
    winners = merged(fitting, key_of, whole)
    return {
        "appended": fitting,
        "merged_parts": winners,
        "merged_files": merged(rows, key_of, whole),
        "deleted": [row for row in winners if row["qty"] != 0],
        "versions_parts": versions(merged(fitting, lambda row: (key_of(row), row["seq"]), whole)),
        "versions_files": versions(merged(rows, lambda row: (key_of(row), row["seq"]), whole)),
        "groups_parts": grouped(fitting),
        "groups_files": grouped(rows),
        "state_parts": grouped(fitting),
        "state_files": grouped(rows),
        "whole": grouped(fitting),
        "newest": merged(filled, lambda row: row["kind"], value),
        "mapped": winners,
    }


def _counted(rows: list[Row]) -> Counter[tuple[Any, ...]]:
    return Counter(
        tuple(
            (name, value.encode() if isinstance(value, str) else exact(name, value))
            for name, value in sorted(row.items())
            if name not in ("fits", "at")
        )
        for row in rows
    )


def _write(root: Path, name: str, zone: str, flows: Mapping[str, Any]) -> Path:
    pipeline = {
        "version": 1,
        "name": name,
        "sources": {"given": {"format": "parquet", "path": "landing", "schema": SCHEMA}},
        "run": {"timezone": zone, "retry": {"max_retries": 1, "min_retry_interval": "1 second"}},
        "flows": dict(flows),
    }
    file = root / "pipelines" / f"{name}.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(pipeline, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return file


def _different(spark: SparkSession, root: Path, rows: list[Row], flows: Collection[str]) -> tuple[list[str], int]:
    """The tables of flows that a reader finds other than the model; how many it was asked for."""
    found, asked = [], 0
    for name, expected in ((name, table) for name, table in _model(rows).items() if name in flows):
        table = root / ".etl" / "local" / "tables" / "values" / name
        readers: dict[str, Callable[[], list[Row]]] = {
            "Spark": lambda table=table: by_spark(spark.newSession(), table),
            "deltalake": lambda table=table: by_deltalake(table),
        }
        if name != "mapped":  # the files of mapped columns have names of their own, which the log tells
            readers |= {
                "DuckDB": lambda table=table: by_duckdb(table),
                "pyarrow": lambda table=table: by_pyarrow(table),
            }
        wanted = _counted(expected)
        for reader, read in readers.items():
            asked += 1
            actual = _counted(read())
            if actual != wanted:
                found.append(
                    f"{name} by {reader}: too many {list(actual - wanted)[:2]}, missing {list(wanted - actual)[:2]}"
                )
    return found, asked


@pytest.mark.property
@pytest.mark.timeout(3600)
def test_every_value_of_every_type_is_kept_by_every_sink_in_every_mode_and_read_alike_by_all(
    spark: SparkSession, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    tables = kept = 0
    for seed in range(1, SEEDS + 1):
        dice = random.Random(seed)
        rows = rows_of(dice, each=2)
        kept += len(rows)
        for number, way in enumerate(WAYS):
            root = tmp_path / f"{seed}-{number}"
            flows = {name: flow for i, (name, flow) in enumerate(FLOWS.items()) if SEEDS > 1 or i % len(WAYS) == number}
            file = _write(root, "values", ZONES[(seed - 1) % len(ZONES)], flows)
            portions = [rows[i :: len(way)] for i in range(len(way))]
            for i, mode in enumerate(way):
                write(root / "landing" / f"{i}.parquet", portions[i])
                result = etl.load(file).run(mode=mode)
                assert result.status == "succeeded", [flow.failure for flow in result.flows if flow.failure]
            wrong, asked = _different(spark, root, rows, flows)
            assert not wrong, (seed, way, wrong)
            tables += asked
    ways = "each in 3 ways" if SEEDS > 1 else "each in one of 3 ways"
    tell(f"{kept} rows of {len(KINDS)} types, {len(FLOWS)} flows, {ways}, 4 readers: {tables} tables read, none wrong")


def _sinks(column: str) -> list[tuple[dict[str, Any], Any]]:
    keyed = {"keys": [column], "sequence_by": "id"}
    return [
        ({"strategy": "append"}, "rows"),
        ({"strategy": "merge", **keyed}, "rows"),
        ({"strategy": "scd2", **keyed}, "rows"),
        ({}, {"groups": {column: column}}),
        ({}, "full"),
    ]


@pytest.mark.property
@pytest.mark.timeout(3600)
def test_every_value_that_a_partition_does_not_keep_is_refused_by_its_row(
    spark: SparkSession, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    values = [(kind, value) for kind in KINDS for value in (*kind.lost, *kind.broken)]
    rows = [
        {**dict.fromkeys((*OWN, *COLUMNS)), "id": number, kind.column: value}
        for number, (kind, value) in enumerate(values)
    ]
    write(tmp_path / "landing" / "0.parquet", rows)
    flows = {}
    for number, (kind, _) in enumerate(values):
        sinks = _sinks(kind.column)
        for strategy in range(len(sinks)) if SEEDS > 1 else [number % len(sinks)]:
            sink, incremental = sinks[strategy]
            sql = f"SELECT {kind.column}, id FROM given WHERE id = {number}"
            sink = {**sink, "partition_by": [kind.column]}
            flows[f"flow_{number}_{strategy}"] = _flow(sql, sink, incremental)
    file = _write(tmp_path, "values", "Europe/Berlin", flows)
    for mode in ("batch", "stream"):
        for result in etl.load(file).run(mode=mode).flows:
            kind, _ = values[int(result.flow.split("_")[1])]
            assert result.failure is not None, (mode, result.flow)
            assert (result.failure.kind, result.attempts) == ("expectation", 1), result.failure
            assert f"'{kind.column}', by which the table is partitioned, is " in result.failure.message
            assert "in the row {" in result.failure.message, result.failure
            assert not list(Path(result.target).glob("**/*.parquet"))
    tell(f"{len(values)} values, {len(flows)} flows in 2 modes: each refused by its row, none written")
