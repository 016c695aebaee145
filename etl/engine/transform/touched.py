"""The groups that an epoch touches: found once, then used to read of an input only the rows that belong to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.frames.identifiers import columns
from etl.engine.output import Groups

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import Column, DataFrame

    from etl.engine.frames.caches import Caches

_FEW = 200  # values that are written into a filter one by one
_BROADCAST = 500_000  # groups that every task can hold
_KEY = "_etl_g"
_NUMBERS = ("tinyint", "smallint", "int", "bigint")
_PLAIN = (*_NUMBERS, "string", "date", "boolean")
# Python knows the years 1 to 9999 and text in UTF-8, Spark others as well, so they come as what Python takes, and go back.
_TO_PYTHON = {"timestamp": F.unix_micros, "date": F.unix_date, "string": F.hex}
_OF_PYTHON: dict[str, Callable[[Column], Column]] = {
    "timestamp": F.timestamp_micros,
    "date": F.date_from_unix_date,
    "string": lambda digits: F.unhex(digits).cast("string"),
}
_NAME = r"(?:[A-Za-z_]\w*|`(?:[^`]|``)+`)"
_COLUMN = re.compile(rf"\s*({_NAME})\s*")
_TRUNCATED = re.compile(rf"\s*date_trunc\s*\(\s*'(\w+)'\s*,\s*({_NAME})\s*\)\s*", re.IGNORECASE)
_UNITS = {
    unit: f"INTERVAL '{months}' MONTH" for unit, months in (("year", 12), ("quarter", 3), ("month", 1), ("mon", 1))
} | {
    unit: f"INTERVAL '{count}' {name}"
    for unit, count, name in (
        ("week", 7, "DAY"),
        ("day", 1, "DAY"),
        ("dd", 1, "DAY"),
        ("hour", 1, "HOUR"),
        ("minute", 1, "MINUTE"),
        ("second", 1, "SECOND"),
    )
}


_DAY = "INTERVAL '1' DAY"


@dataclass(frozen=True, slots=True)
class _Bound:
    """What is known of one column of the touched groups: its values where they are few, else the least and the greatest."""

    kind: str  # Spark's simple type name
    nulls: bool
    least: Any
    greatest: Any
    values: tuple[Any, ...] | None

    def holds(self, column: Column, unit: str | None = None) -> Column | None:
        """A filter that no row of a touched group fails and that a source can use; None where there is none.

        `unit`: the column is truncated to it in the group, so that its values lie up to one unit after the group's, by the clock; and
        as a clock may be set back or forth meanwhile, by half an hour or by a day, they are looked for a day to either side.
        """
        if self.least is None:
            return column.isNull() if self.nulls else None
        low, high = _literal(self.kind, self.least), _literal(self.kind, self.greatest)
        if unit is not None:
            found = (column >= low - F.expr(_DAY)) & (column < high + F.expr(_UNITS[unit]) + F.expr(_DAY))
        elif self.values is not None:
            found = column.isin([_literal(self.kind, value) for value in self.values])
        else:
            found = column.between(low, high)
        return found | column.isNull() if self.nulls else found


@dataclass(frozen=True, slots=True)
class Touched:
    """The distinct groups, cached, and what a filter can use of them."""

    groups: Groups
    count: int
    bounds: tuple[_Bound | None, ...]

    def restrict(self, frame: DataFrame, expressions: Sequence[str]) -> DataFrame:
        """The rows of `frame` whose `expressions`, one a column of the groups, name a touched group."""
        filters = [
            found
            for bound, expression in zip(self.bounds, expressions, strict=True)
            if bound is not None and (found := _filter(bound, expression, frame)) is not None
        ]
        if filters:
            frame = frame.filter(reduce(lambda left, right: left & right, filters))
        keys = self.groups.touched.select(
            *(column.alias(f"{_KEY}{i}") for i, column in enumerate(columns(self.groups.columns)))
        )
        same = [F.expr(expression).eqNullSafe(F.col(f"{_KEY}{i}")) for i, expression in enumerate(expressions)]
        return frame.join(
            F.broadcast(keys) if self.count <= _BROADCAST else keys,
            reduce(lambda left, right: left & right, same),
            "left_semi",
        )


def touched(rows: DataFrame, names: Sequence[str], caches: Caches) -> Touched:
    """The distinct values of the columns `names` of `rows`, found by one pass over them."""
    groups = caches.keep(rows.select(*columns(names)).distinct())
    types = [groups.schema[name].dataType.simpleString() for name in names]
    seen: list[Column] = [F.count(F.lit(1)).alias("count")]
    for i, (column, kind) in enumerate(zip(columns(names), types, strict=True)):
        value = _TO_PYTHON[kind](column) if kind in _TO_PYTHON else column
        usable = kind in (*_PLAIN, "timestamp")
        seen += [
            F.count_if(column.isNull()).alias(f"nulls_{i}"),
            (F.min(value) if usable else F.lit(None)).alias(f"least_{i}"),
            (F.max(value) if usable else F.lit(None)).alias(f"greatest_{i}"),
            (F.collect_set(value) if kind in _PLAIN else F.array()).alias(f"values_{i}"),
        ]
    few = groups.limit(_FEW + 1).agg(*seen).first()
    found = few if few is not None and few["count"] <= _FEW else groups.agg(*(seen[:1] + _without_values(seen))).first()
    if found is None:
        message = "an aggregate without groups gave no row"
        raise AssertionError(message)
    values = found.asDict()
    bounds = tuple(
        _Bound(
            kind,
            values[f"nulls_{i}"] > 0,
            values[f"least_{i}"],
            values[f"greatest_{i}"],
            tuple(values[f"values_{i}"]) if kind in _PLAIN and f"values_{i}" in values else None,
        )
        if kind in (*_PLAIN, "timestamp")
        else None
        for i, kind in enumerate(types)
    )
    return Touched(Groups(groups, tuple(names)), int(values["count"]), bounds)


def _without_values(seen: list[Column]) -> list[Column]:
    """The aggregates of `touched` less the sets of values, which would be large."""
    return [column for i, column in enumerate(seen[1:]) if i % 4 != 3]  # noqa: PLR2004  # the fourth of each column's four


def _filter(bound: _Bound, expression: str, frame: DataFrame) -> Column | None:
    known = {quoted(name).lower() for name in frame.columns} | {name.lower() for name in frame.columns}
    plain = _COLUMN.fullmatch(expression)
    if plain and plain.group(1).lower() in known:
        return bound.holds(F.col(plain.group(1)))
    truncated = _TRUNCATED.fullmatch(expression)
    unit = truncated.group(1).lower() if truncated else ""
    if truncated and unit in _UNITS and truncated.group(2).lower() in known and bound.kind == "timestamp":
        return bound.holds(F.col(truncated.group(2)), unit)
    return None


def _literal(kind: str, value: Any) -> Column:
    return _OF_PYTHON[kind](F.lit(value)) if kind in _OF_PYTHON else F.lit(value)
