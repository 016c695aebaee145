"""Rows made up from a source's schema: few different values, so that joins and groups meet; nulls, duplicates, ties and extremes."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.schema.rows import Unfit, as_json
from etl.config.schema.types import schema
from etl.config.spec import RateLimitSpec, SourceSpec
from etl.errors import ConfigurationError
from etl.operations.verification.source_copies import FileCopy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from etl.config.schema.types import Column, Type
    from etl.config.spec import FlowSpec

ROWS = 200
_FILES = 12
_NULL, _TWICE, _EXTREME = 0.08, 0.08, 0.03
_LIKELY = 0.6  # of the values of a column that the pipeline compares with something
_TEXTS = ("a", "b", "c", "d", "e", "", "Z", "ü x")
_GREATEST = {"tinyint": 100, "smallint": 10_000, "int": 100_000, "bigint": 1_000_000_000}
_START = dt.datetime(2024, 3, 4, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class GeneratedValues:
    """Which values made-up rows have.

    Attributes:
        seed: The same one makes the same rows.
        never_null: Columns, in lower case, that a sink needs to have a value.
        compared: Column, in lower case → what the pipeline compares it with, so that some rows pass its filters and some lie at
            their edges.
    """

    seed: int
    never_null: Collection[str] = ()
    compared: Mapping[str, Sequence[str | Decimal]] = field(default_factory=dict)


def generated(
    source: SourceSpec, columns: Sequence[Column], scratch: Path, *, rows: int, values: GeneratedValues
) -> FileCopy:
    """A source of made-up rows in JSON files; ConfigurationError where a column's type has no values in JSON."""
    rng = random.Random(f"{values.seed}/rows of {source.name}")  # noqa: S311  # the same rows each time, and no secrets
    folder = scratch / "generated" / source.name
    folder.mkdir(parents=True)
    try:
        lines = _lines(columns, rows, values, rng)
    except Unfit as cause:
        message = f"rows of source '{source.name}' cannot be generated: {cause}"
        raise ConfigurationError([Diagnostic("E273", message, source.at, "verify it without --generated")]) from cause
    files = []
    for number in range(_FILES):
        name = f"{number:02}.json"
        (folder / name).write_text("".join(line + "\n" for line in lines[number::_FILES]), encoding="utf-8")
        files.append((folder / name, name))
    given = SourceSpec(
        name=source.name,
        format="json",
        path=str(folder),
        schema=schema(columns),
        on_malformed="fail",
        rate_limit=RateLimitSpec(),
        flow=source.flow,
        at=source.at,
    )
    return FileCopy(given, scratch / "landing", tuple(files))


def _lines(columns: Sequence[Column], rows: int, values: GeneratedValues, rng: random.Random) -> list[str]:
    """Rows as JSON, some of them twice; Unfit where a column's type has no values in JSON."""
    lines: list[str] = []
    while len(lines) < rows:
        if lines and rng.random() < _TWICE:
            lines.append(rng.choice(lines))
            continue
        row = {}
        for column in columns:
            name = column.name.lower()
            likely = _fitting(column.shape, values.compared.get(name, ()))
            value = rng.choice(likely) if likely and rng.random() < _LIKELY else None
            if value is None:
                value = _value(column.shape, rng, nullable=name not in values.never_null)
            row[column.name] = as_json(value, column.shape)
        lines.append(json.dumps(row, ensure_ascii=False))
    return lines


def never_null(flows: Sequence[FlowSpec]) -> frozenset[str]:
    """The columns, in lower case, by which flows order rows or tell them apart."""
    return frozenset(
        name.lower() for flow in flows for name in (*flow.sink.sequence_by, *flow.primary_key, *flow.sink.keys)
    )


def without_fail(flow: FlowSpec) -> FlowSpec:
    """The flow with rules that drop rows where its own would fail it: made-up rows break every rule."""
    rules = tuple(replace(rule, on_violation="drop") if rule.on_violation == "fail" else rule for rule in flow.rules)
    return replace(flow, expectations=rules, primary_key=())


def _fitting(kind: Type, values: Sequence[str | Decimal]) -> list[Any]:
    """The values that a column of that type may hold: texts as they are, numbers with their neighbours."""
    if kind.name in ("string", "varchar"):
        return [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, Decimal)]
    near = [value + by for value in numbers for by in (-1, 0, 1)]
    if kind.name in _GREATEST:
        most = _GREATEST[kind.name]
        return [int(value) for value in near if value == int(value) and abs(value) < most]
    return [float(value) for value in near] if kind.name in ("float", "double") else []


def _value(kind: Type, rng: random.Random, *, nullable: bool = True) -> Any:
    if nullable and rng.random() < _NULL:
        return None
    name = kind.name
    if name in _GREATEST:
        return rng.choice((-1, 1)) * _GREATEST[name] if rng.random() < _EXTREME else rng.randrange(1, 10)
    if name in ("float", "double"):
        return rng.choice((-1e6, 1e6, 0.0)) if rng.random() < _EXTREME else rng.randrange(0, 80) / 4
    if name == "decimal":
        digits, places = (*kind.numbers, *(10, 0)[len(kind.numbers) :])
        most = min(10**digits - 1, 10 ** (places + 3))
        return Decimal(rng.randrange(most + 1)).scaleb(-places)
    if name == "boolean":
        return rng.random() < 0.5  # noqa: PLR2004  # as often as not
    if name in ("timestamp", "timestamp_ntz"):
        moment = _START + dt.timedelta(minutes=20 * rng.randrange(6 * 24))
        moment = dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC) if rng.random() < _EXTREME else moment
        return moment if name == "timestamp" else moment.replace(tzinfo=None)
    if name == "date":
        return (_START + dt.timedelta(days=rng.randrange(6))).date()
    if name == "binary":
        return rng.choice(_TEXTS).encode()
    if name == "array":
        return [_value(kind.inner[0], rng) for _ in range(rng.randrange(4))]
    if name == "map":
        return {_value(kind.inner[0], rng, nullable=False): _value(kind.inner[1], rng) for _ in range(rng.randrange(3))}
    if name == "struct":
        return {inner.name: _value(inner.shape, rng) for inner in kind.fields}
    if name in ("string", "varchar", "char"):
        return rng.choice(_TEXTS)
    raise Unfit(f"there are no made-up values of type {kind.ddl()}")
