"""The groups that an epoch affects: computed once, then used to read of an input only the rows that belong to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.frames.identifiers import columns
from etl.engine.frames.semi_join import rows_with
from etl.engine.output import Groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyspark.sql import Column, DataFrame

    from etl.engine.frames.caches import Caches

_FEW = 200  # values that are written into a filter one by one
_BROADCAST = 500_000  # groups that every task can hold
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
    """The values of one column of the affected groups.

    Attributes:
        kind: Spark's simple name of its type.
        has_null: whether NULL is among them.
        least: the least value; None where there are none but NULL.
        greatest: the greatest value.
        values: all of them, where they are few; None where they are many.
    """

    kind: str
    has_null: bool
    least: Any
    greatest: Any
    values: tuple[Any, ...] | None

    def condition(self, column: Column, unit: str | None = None) -> Column | None:
        """A condition that every row of an affected group fulfils, and that a source can use to skip files; None where there is none.

        `unit`: the column is truncated to it in the group, so that its values lie up to one unit after the group's, by the clock; and
        as a clock may be set back or forth meanwhile, by half an hour or by a day, they are looked for a day to either side.
        """
        if self.least is None:
            return column.isNull() if self.has_null else None
        low, high = _literal(self.kind, self.least), _literal(self.kind, self.greatest)
        if unit is not None:
            within = (column >= low - F.expr(_DAY)) & (column < high + F.expr(_UNITS[unit]) + F.expr(_DAY))
        elif self.values is not None:
            within = column.isin([_literal(self.kind, value) for value in self.values])
        else:
            within = column.between(low, high)
        return within | column.isNull() if self.has_null else within


@dataclass(frozen=True, slots=True)
class AffectedGroups:
    """The groups that an epoch affects.

    Attributes:
        groups: each group once, cached.
        count: how many they are.
        bounds: what a filter can use of each of their columns.
    """

    groups: Groups
    count: int
    bounds: tuple[_Bound | None, ...]

    def restrict(self, frame: DataFrame, expressions: Sequence[str]) -> DataFrame:
        """The rows of `frame` whose `expressions`, one a column of the groups, name an affected group; the columns of `frame`."""
        conditions = (
            None if bound is None else _condition(bound, expression, frame)
            for bound, expression in zip(self.bounds, expressions, strict=True)
        )
        filters = [condition for condition in conditions if condition is not None]
        if filters:
            frame = frame.filter(reduce(lambda left, right: left & right, filters))
        values = [F.expr(expression) for expression in expressions]
        return rows_with(frame, values, self.groups.affected, broadcast=self.count <= _BROADCAST)


def affected_groups(rows: DataFrame, names: Sequence[str], caches: Caches) -> AffectedGroups:
    """The distinct values of the columns `names` of `rows`, computed by one pass over them."""
    groups = caches.keep(rows.select(*columns(names)).distinct())
    kinds = [groups.schema[name].dataType.simpleString() for name in names]
    count = F.count(F.lit(1)).alias("count")
    bounds = [_bounds(i, column, kind) for i, (column, kind) in enumerate(zip(columns(names), kinds, strict=True))]
    values = [_values(i, column, kind) for i, (column, kind) in enumerate(zip(columns(names), kinds, strict=True))]
    few = groups.limit(_FEW + 1).agg(count, *chain(*bounds), *values).first()
    summary = few if few is not None and few["count"] <= _FEW else groups.agg(count, *chain(*bounds)).first()
    if summary is None:
        message = "an aggregate without groups gave no row"
        raise AssertionError(message)
    row = summary.asDict()
    return AffectedGroups(
        Groups(groups, tuple(names)), int(row["count"]), tuple(_bound(row, i, kind) for i, kind in enumerate(kinds))
    )


def _bounds(index: int, column: Column, kind: str) -> list[Column]:
    """The aggregates `nulls_<index>`, `least_<index>` and `greatest_<index>` of a column of that type."""
    value = _TO_PYTHON[kind](column) if kind in _TO_PYTHON else column
    is_usable = kind in (*_PLAIN, "timestamp")
    return [
        F.count_if(column.isNull()).alias(f"nulls_{index}"),
        (F.min(value) if is_usable else F.lit(None)).alias(f"least_{index}"),
        (F.max(value) if is_usable else F.lit(None)).alias(f"greatest_{index}"),
    ]


def _values(index: int, column: Column, kind: str) -> Column:
    """The aggregate `values_<index>`: all values of a column of that type; large where they are many."""
    value = _TO_PYTHON[kind](column) if kind in _TO_PYTHON else column
    return (F.collect_set(value) if kind in _PLAIN else F.array()).alias(f"values_{index}")


def _bound(row: Mapping[str, Any], index: int, kind: str) -> _Bound | None:
    """The bound of a column, from the aggregates; None where a filter can use nothing of its type."""
    if kind not in (*_PLAIN, "timestamp"):
        return None
    values = tuple(row[f"values_{index}"]) if kind in _PLAIN and f"values_{index}" in row else None
    return _Bound(kind, row[f"nulls_{index}"] > 0, row[f"least_{index}"], row[f"greatest_{index}"], values)


def _condition(bound: _Bound, expression: str, frame: DataFrame) -> Column | None:
    """The condition on rows of an affected group whose `expression` has that bound; None where it is no column, plain or truncated."""
    names = {quoted(name).lower() for name in frame.columns} | {name.lower() for name in frame.columns}
    plain = _COLUMN.fullmatch(expression)
    if plain and plain.group(1).lower() in names:
        return bound.condition(F.col(plain.group(1)))
    truncated = _TRUNCATED.fullmatch(expression)
    unit = truncated.group(1).lower() if truncated else ""
    if truncated and unit in _UNITS and truncated.group(2).lower() in names and bound.kind == "timestamp":
        return bound.condition(F.col(truncated.group(2)), unit)
    return None


def _literal(kind: str, value: Any) -> Column:
    return _OF_PYTHON[kind](F.lit(value)) if kind in _OF_PYTHON else F.lit(value)
