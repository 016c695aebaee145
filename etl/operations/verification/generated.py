"""Rows made up from a source's schema: few different values, so that joins and groups meet; nulls, duplicates, ties and extremes."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.schema.rows import Unfit, as_json
from etl.config.schema.types import schema
from etl.config.spec import RateLimitSpec, SourceSpec
from etl.errors import ConfigurationError
from etl.operations.verification.inputs import FileStock

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


def generated(
    source: SourceSpec,
    columns: Sequence[Column],
    scratch: Path,
    *,
    rows: int,
    seed: int,
    never_null: Collection[str],
    compared: Mapping[str, Sequence[str | Decimal]] = MappingProxyType({}),
) -> FileStock:
    """A source of made-up rows in JSON files; ConfigurationError where a column's type has no values in JSON.

    `never_null`: columns, in small letters, that a sink needs to have a value. `compared`: what the pipeline compares columns with,
    so that some rows pass its filters and some lie at their edges.
    """
    dice = random.Random(f"{seed}/rows of {source.name}")  # noqa: S311  # the same rows each time, and no secrets
    folder = scratch / "generated" / source.name
    folder.mkdir(parents=True)
    made: list[str] = []
    try:
        while len(made) < rows:
            if made and dice.random() < _TWICE:
                made.append(dice.choice(made))
                continue
            row = {}
            for item in columns:
                name = item.name.lower()
                likely = _fitting(item.shape, compared.get(name, ()))
                value = dice.choice(likely) if likely and dice.random() < _LIKELY else None
                if value is None:
                    value = _value(item.shape, dice, nullable=name not in never_null)
                row[item.name] = as_json(value, item.shape)
            made.append(json.dumps(row, ensure_ascii=False))
    except Unfit as cause:
        message = f"rows of source '{source.name}' cannot be generated: {cause}"
        raise ConfigurationError([Diagnostic("E273", message, source.at, "verify it without --generated")]) from cause
    files = []
    for number in range(_FILES):
        lines = made[number::_FILES]
        name = f"{number:02}.json"
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
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
    return FileStock(given, scratch / "landing", tuple(files))


def never_null(flows: Sequence[FlowSpec]) -> frozenset[str]:
    """The columns that flows put rows in order by, or tell them by."""
    return frozenset(
        name.lower() for flow in flows for name in (*flow.sink.sequence_by, *flow.primary_key, *flow.sink.keys)
    )


def without_fail(flow: FlowSpec) -> FlowSpec:
    """The flow with rules that drop rows where its own would fail it: made-up rows break every rule."""
    rules = tuple(replace(item, on_violation="drop") if item.on_violation == "fail" else item for item in flow.rules)
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


def _value(kind: Type, dice: random.Random, *, nullable: bool = True) -> Any:
    if nullable and dice.random() < _NULL:
        return None
    name = kind.name
    if name in _GREATEST:
        return dice.choice((-1, 1)) * _GREATEST[name] if dice.random() < _EXTREME else dice.randrange(1, 10)
    if name in ("float", "double"):
        return dice.choice((-1e6, 1e6, 0.0)) if dice.random() < _EXTREME else dice.randrange(0, 80) / 4
    if name == "decimal":
        digits, places = (*kind.numbers, *(10, 0)[len(kind.numbers) :])
        most = min(10**digits - 1, 10 ** (places + 3))
        return Decimal(dice.randrange(most + 1)).scaleb(-places)
    if name == "boolean":
        return dice.random() < 0.5  # noqa: PLR2004  # as often as not
    if name in ("timestamp", "timestamp_ntz"):
        moment = _START + dt.timedelta(minutes=20 * dice.randrange(6 * 24))
        moment = dt.datetime(1999, 12, 31, 23, 59, 59, tzinfo=dt.UTC) if dice.random() < _EXTREME else moment
        return moment if name == "timestamp" else moment.replace(tzinfo=None)
    if name == "date":
        return (_START + dt.timedelta(days=dice.randrange(6))).date()
    if name == "binary":
        return dice.choice(_TEXTS).encode()
    if name == "array":
        return [_value(kind.inner[0], dice) for _ in range(dice.randrange(4))]
    if name == "map":
        return {
            _value(kind.inner[0], dice, nullable=False): _value(kind.inner[1], dice) for _ in range(dice.randrange(3))
        }
    if name == "struct":
        return {item.name: _value(item.shape, dice) for item in kind.fields}
    if name in ("string", "varchar", "char"):
        return dice.choice(_TEXTS)
    raise Unfit(f"there are no made-up values of type {kind.ddl()}")
