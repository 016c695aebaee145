"""Two Delta tables compared where they lie: only rows that one has more often than the other come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation
from pyspark.sql.types import MapType

from etl.config.schema.identifiers import quoted
from etl.engine.storage.places import place
from etl.engine.tables.rows import as_text, columns_of, of_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import DataFrame

    from etl.config.schema.types import Column
    from etl.engine.session.start import SessionHandle

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Leftover:
    """What is left of two tables when rows that are the same to the last digit are taken away in pairs.

    Attributes:
        columns: those of the first table.
        others: those of the second table.
        left: the rows that only the first table has, or has more often.
        right: those of the second table.
        equal: how many pairs were taken away.
        beyond: how many different rows were too many to be brought here.
    """

    columns: tuple[Column, ...]
    others: tuple[Column, ...]
    left: tuple[dict[str, Any], ...] = ()
    right: tuple[dict[str, Any], ...] = ()
    equal: int = 0
    beyond: int = 0


class TableComparer:
    """Compares tables in a session of its own."""

    def __init__(self, handle: SessionHandle) -> None:
        self._session = handle.flow_session("UTC")

    def leftover(self, left: str, right: str, ignored: Collection[str]) -> Leftover:
        """The rows that only one of the tables has, or has more often; `ignored` (small letters) are left out of both.

        A table that is not there has no rows, and the other one's columns. Where names or types differ, no rows are looked at.
        """
        one, other = self._table(left), self._table(right)
        one = one if one is not None else other.limit(0) if other is not None else None
        if one is None:
            return Leftover((), ())
        other = other if other is not None else one.limit(0)
        one, other = (_without(frame, ignored) for frame in (one, other))
        columns, others = columns_of(one), columns_of(other)
        types, other_types = ([(column.name, column.type) for column in table] for table in (columns, others))
        if types != other_types or not columns:
            return Leftover(columns, others)
        both = _counted(one, 1).unionAll(_counted(other, -1))
        net = both.groupBy("row").agg(F.sum("n").alias("net")).filter("net != 0")
        different = net.orderBy(F.abs(F.col("net")).desc(), "row").limit(_MOST + 1).collect()
        rows: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for text, count in different[:_MOST]:
            rows[count > 0] += [of_text(text, columns) for _ in range(abs(count))]
        beyond = net.count() - _MOST if len(different) > _MOST else 0
        equal = one.count() - len(rows[True]) if not beyond else 0
        return Leftover(columns, others, tuple(rows[True]), tuple(rows[False]), equal, beyond)

    def _table(self, path: str) -> DataFrame | None:
        if not place(path, "_delta_log").is_dir():
            return None
        return self._session.read.format("delta").load(path)


def _without(frame: DataFrame, ignored: Collection[str]) -> DataFrame:
    return frame.select(*(quoted(name) for name in frame.columns if name.lower() not in ignored))


def _counted(frame: DataFrame, sign: int) -> DataFrame:
    """Each row as `row STRING`, maps in an order of their own, and `n INT`, its sign."""
    columns = []
    for field in frame.schema.fields:
        column = F.col(quoted(field.name))
        kind = field.dataType
        if isinstance(kind, MapType) and "map<" not in kind.valueType.simpleString():
            column = F.map_from_entries(F.array_sort(F.map_entries(column)))
        columns.append(column.alias(field.name))
    return as_text(frame.select(*columns)).select("row", F.lit(sign).alias("n"))
