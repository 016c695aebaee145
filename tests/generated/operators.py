"""What a generated transform is made of: each operator as SQL and, beside it, as plain Python over rows.

Every operator takes and gives the same five columns, so that any of them can follow any other: `k` and `g` STRING, `v` and `seq`
BIGINT (`seq` never null), `gone` BOOLEAN. SQL reads the relation `t`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Rows = list[Row]

COLUMNS = ("k", "g", "v", "seq", "gone")
NAMES: Mapping[str, int] = {"a": 3, "b": 0, "e": 7, "A": 1}
"""The snapshot that joins read: k → w."""

_WHOLE = "k NULLS FIRST, g NULLS FIRST, v NULLS FIRST, seq, gone NULLS FIRST"


@dataclass(frozen=True, slots=True)
class Operator:
    """One stage of a transform; `needs`: the least that a kind must be able to do for it."""

    name: str
    family: str  # the column of the histogram
    needs: str  # rows | groups | full | state
    sql: str  # `{at}`: where a column more is handed on
    of: Callable[[Rows], Rows]
    group: str = (
        "{g}"  # what the group `g` of its output is, as an expression over the input, `{g}` being what it was before
    )


def ordered(value: Any) -> tuple[bool, Any]:
    """Spark's order: null before everything."""
    return (value is not None, value)


def whole(row: Row) -> tuple[Any, ...]:
    """A row as a value that can be put in order."""
    return tuple(ordered(row[name]) for name in COLUMNS)


def grouped(rows: Iterable[Row], *names: str) -> dict[Any, Rows]:
    """The rows by their values of `names`; null is a value."""
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[tuple(row[name] for name in names)].append(row)
    return dict(found)


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _max(values: Iterable[Any]) -> Any:
    return max((value for value in values if value is not None), default=None)


def _any(values: Iterable[bool | None]) -> bool | None:
    return _max(values)


def _filtered(condition: Callable[[Row], bool | None]) -> Callable[[Rows], Rows]:
    return lambda rows: [row for row in rows if condition(row)]


def _mapped(change: Callable[[Row], Row]) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, **change(row)} for row in rows]


def _exploded(rows: Rows) -> Rows:
    return [{**row, "k": k} for row in rows for k in (row["k"], row["k"].upper() if row["k"] is not None else None)]


def _aggregated(rows: Rows, *, least: int = 1, threshold: int | None = None) -> Rows:
    found = []
    for (g,), group in grouped(rows, "g").items():
        total = _sum(row["v"] for row in group)
        if len(group) < least or (threshold is not None and not (total is not None and total > threshold)):
            continue
        found.append(folded(g, group))
    return found


def folded(g: str | None, rows: Rows) -> Row:
    """One row of several."""
    return {
        "k": _max(row["k"] for row in rows),
        "g": g,
        "v": _sum(row["v"] for row in rows),
        "seq": _max(row["seq"] for row in rows),
        "gone": _any(row["gone"] for row in rows),
    }


def _counted(rows: Rows) -> Rows:
    return [
        {"k": k, "g": g, "v": len(group), "seq": min(row["seq"] for row in group), "gone": None}
        for (g, k), group in grouped(rows, "g", "k").items()
    ]


def _summed_over(rows: Rows) -> Rows:
    return [
        {**row, "v": total}
        for group in grouped(rows, "g").values()
        for total in [_sum(row["v"] for row in group)]
        for row in group
    ]


def _lagged(rows: Rows) -> Rows:
    found = []
    for group in grouped(rows, "g").values():
        in_order = sorted(group, key=lambda row: (row["seq"], *whole(row)))
        before: list[int | None] = [None, *(row["v"] for row in in_order)]
        found += [{**row, "v": v} for row, v in zip(in_order, before, strict=False)]
    return found


def _best(rows: Rows, *names: str, count: int) -> Rows:
    """The first `count` of each group by v descending, nulls last, then the whole row."""
    found = []
    for group in grouped(rows, *names).values():
        found += sorted(group, key=lambda row: (row["v"] is None, -(row["v"] or 0), *whole(row)))[:count]
    return found


def _newest(rows: Rows) -> Rows:
    return [max(group, key=lambda row: (row["seq"], whole(row))) for group in grouped(rows, "g", "k").values()]


def _distinct(rows: Rows) -> Rows:
    return [dict(zip(COLUMNS, key, strict=True)) for key in grouped(rows, *COLUMNS)]


def _joined(*, inner: bool) -> Callable[[Rows], Rows]:
    def of(rows: Rows) -> Rows:
        return [
            {**row, "v": NAMES[row["k"]] if row["k"] in NAMES and row["v"] is None else row["v"]}
            for row in rows
            if row["k"] in NAMES or not inner
        ]

    return of


def _beside_counts(rows: Rows) -> Rows:
    return [{**row, "seq": len(group)} for group in grouped(rows, "g").values() for row in group]


def _first(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: (row["v"] is None, -(row["v"] or 0), *whole(row)))[:3]


def _greatest_of_all(rows: Rows) -> Rows:
    most = _max(row["v"] for row in rows)
    return [row for row in rows if row["v"] is not None and row["v"] == most]


def _total(rows: Rows) -> Rows:
    return [{"k": None, "g": None, "v": _sum(row["v"] for row in rows), "seq": len(rows), "gone": None}]


def _select(**changed: str) -> str:
    return (
        "SELECT "
        + ", ".join(f"{changed[name]} AS {name}" if name in changed else name for name in COLUMNS)
        + "{at} FROM t"
    )


_AGGREGATE = "SELECT max(k) AS k, g, sum(v) AS v, max(seq) AS seq, bool_or(gone) AS gone FROM t GROUP BY g"
_LIST = ", ".join(COLUMNS)
_OF_T = ", ".join(f"t.{name}" for name in COLUMNS)

OPERATORS: Sequence[Operator] = (
    Operator("positive", "filter", "rows", "SELECT * FROM t WHERE v > 0", _filtered(lambda r: r["v"] is not None and r["v"] > 0)),
    Operator("known", "filter", "rows", "SELECT * FROM t WHERE g IS NOT NULL", _filtered(lambda r: r["g"] is not None)),
    Operator("not_b", "filter", "rows", "SELECT * FROM t WHERE NOT (k = 'b')", _filtered(lambda r: r["k"] is not None and r["k"] != "b")),
    Operator("alive", "filter", "rows", "SELECT * FROM t WHERE NOT coalesce(gone, false)", _filtered(lambda r: not r["gone"])),
    Operator("doubled", "project", "rows", _select(v="v * 2 - 1"), _mapped(lambda r: {"v": None if r["v"] is None else r["v"] * 2 - 1})),
    Operator("filled", "project", "rows", _select(v="coalesce(v, 4)"), _mapped(lambda r: {"v": 4 if r["v"] is None else r["v"]})),
    Operator(
        "upper", "project", "rows", _select(g="upper(g)"),
        _mapped(lambda r: {"g": None if r["g"] is None else r["g"].upper()}), group="upper({g})",
    ),
    Operator("both_cases", "explode", "rows", _select(k="explode(array(k, upper(k)))"), _exploded),
    Operator(
        "named", "join", "rows",
        "SELECT t.k, t.g, coalesce(t.v, n.w) AS v, t.seq, t.gone{at} FROM t LEFT JOIN names n ON t.k = n.k", _joined(inner=False),
    ),
    Operator(
        "only_named", "join", "rows",
        "SELECT t.k, t.g, coalesce(t.v, n.w) AS v, t.seq, t.gone{at} FROM t JOIN names n ON t.k = n.k", _joined(inner=True),
    ),
    Operator("summed", "aggregate", "groups", _AGGREGATE, _aggregated),
    Operator(
        "counted", "aggregate", "groups",
        "SELECT k, g, count(*) AS v, min(seq) AS seq, CAST(NULL AS BOOLEAN) AS gone FROM t GROUP BY g, k", _counted,
    ),
    Operator("several", "having", "groups", _AGGREGATE + " HAVING count(*) > 1", lambda rows: _aggregated(rows, least=2)),
    Operator("heavy", "having", "groups", _AGGREGATE + " HAVING sum(v) > 5", lambda rows: _aggregated(rows, threshold=5)),
    Operator("beside_total", "window", "groups", _select(v="sum(v) OVER (PARTITION BY g)"), _summed_over),
    Operator("before", "window", "groups", _select(v=f"lag(v) OVER (PARTITION BY g ORDER BY seq, {_WHOLE})"), _lagged),
    Operator(
        "top_two", "top-N", "groups",
        f"SELECT {_LIST} FROM (SELECT *, row_number() OVER (PARTITION BY g ORDER BY v DESC NULLS LAST, {_WHOLE}) AS place FROM t) WHERE place <= 2",
        lambda rows: _best(rows, "g", count=2),
    ),
    Operator(
        "best_of_key", "top-N", "groups",
        f"SELECT {_LIST} FROM (SELECT *, row_number() OVER (PARTITION BY k, g ORDER BY v DESC NULLS LAST, {_WHOLE}) AS place FROM t) WHERE place = 1",
        lambda rows: _best(rows, "k", "g", count=1),
    ),
    Operator("distinct", "dedupe", "groups", f"SELECT DISTINCT {_LIST} FROM t", _distinct),
    Operator(
        "newest", "dedupe", "groups",
        "SELECT k, g, best.v, best.seq, best.gone FROM (SELECT k, g, max(struct(seq, v, gone)) AS best FROM t GROUP BY g, k)", _newest,
    ),
    Operator(
        "beside_counts", "join", "groups",
        "SELECT t.k, t.g, t.v, c.n AS seq, t.gone FROM t JOIN (SELECT g, count(*) AS n FROM t GROUP BY g) c ON t.g <=> c.g", _beside_counts,
    ),
    Operator("first_three", "top-N", "full", f"SELECT * FROM t ORDER BY v DESC NULLS LAST, {_WHOLE} LIMIT 3", _first),
    Operator("greatest", "filter", "full", "SELECT * FROM t WHERE v = (SELECT max(v) FROM t)", _greatest_of_all),
    Operator(
        "total", "aggregate", "full",
        "SELECT CAST(NULL AS STRING) AS k, CAST(NULL AS STRING) AS g, sum(v) AS v, count(*) AS seq, CAST(NULL AS BOOLEAN) AS gone FROM t", _total,
    ),
)  # fmt: skip
"""Every stage that a transform can have."""

_STRENGTH = {"rows": 0, "groups": 1, "full": 2}


def within(kind: str) -> list[Operator]:
    """The operators that a flow of `kind` can have."""
    return [item for item in OPERATORS if _STRENGTH[item.needs] <= _STRENGTH[kind]]
