"""What a generated transform over Spark's state is made of: its one stage that keeps state, as SQL and as plain Python over rows.

It takes the five columns and `at`, in seconds, and gives the five columns and `closes`: the watermark, in seconds, from which on a result
is one that nothing changes any more; where there is none, a result is written at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.generated.operators import COLUMNS, Operator, Row, Rows, folded, grouped

START = 86_400
"""The first time, in seconds: a row of the very instant at which watermarks begin is late for some operators."""
DELAY = 1_200
"""Seconds that the watermark stays behind. Rows of one arrival lie within as many, and each arrival begins where the one before ended: none is late."""


@dataclass(frozen=True, slots=True)
class Stateful(Operator):
    """A stage that keeps state; `sinks`: those that can take its results; `keys`: what a merge tells them by."""

    sinks: tuple[str, ...] = ("append", "merge")
    keys: tuple[str, ...] = ("g", "seq")


def _windows(length: int, slide: int) -> Callable[[Rows], Iterable[tuple[int, int, Rows]]]:
    def of(rows: Rows) -> Iterable[tuple[int, int, Rows]]:
        starts = {row["at"] // slide * slide - back for row in rows for back in range(0, length, slide)}
        for start in starts:
            found = [row for row in rows if start <= row["at"] < start + length]
            if found:
                yield start, start + length, found

    return of


def _sessions(gap: int) -> Callable[[Rows], Iterable[tuple[int, int, Rows]]]:
    """Rows no further apart than the gap; one is closed when the watermark is past its end, since sessions that touch are one."""

    def of(rows: Rows) -> Iterable[tuple[int, int, Rows]]:
        session: Rows = []
        for row in sorted(rows, key=lambda row: row["at"]):
            if session and row["at"] > session[-1]["at"] + gap:
                yield session[0]["at"], session[-1]["at"] + gap + 1, session
                session = []
            session.append(row)
        if session:
            yield session[0]["at"], session[-1]["at"] + gap + 1, session

    return of


def _folded(
    spans: Callable[[Rows], Iterable[tuple[int, int, Rows]]],
    keep: Callable[[Row, int], bool] | None = None,
) -> Callable[[Rows], Rows]:
    def of(rows: Rows) -> Rows:
        found = []
        for (g,), group in grouped(rows, "g").items():
            for start, closes, part in spans(group):
                result = {**folded(g, part), "seq": start, "closes": closes}
                if keep is None or keep(result, len(part)):
                    found.append(result)
        return found

    return of


def _distinct(rows: Rows) -> Rows:
    """An aggregate over the row's own time, which the watermark must be past."""
    names = ("k", "g", "v", "gone", "at")
    found = []
    for key in grouped(rows, *names):
        row: dict[str, Any] = dict(zip(names, key, strict=True))
        found.append({**row, "seq": row["at"], "closes": row["at"] + 1})
    return found


def _sql(window: str) -> str:
    aggregates = f"max(k) AS k, g, sum(v) AS v, unix_seconds({window}.start) AS seq, bool_or(gone) AS gone"
    return f"SELECT {aggregates} FROM t GROUP BY g, {window}"


_TEN, _TWENTY, _GAP = (
    "window(at, '10 minutes')",
    "window(at, '20 minutes', '10 minutes')",
    "session_window(at, '3 minutes')",
)

STATEFUL: tuple[Stateful, ...] = (
    Stateful("tumbling", "aggregate", "state", _sql(_TEN), _folded(_windows(600, 600))),
    Stateful("sliding", "window", "state", _sql(_TWENTY), _folded(_windows(1_200, 600))),
    Stateful("sessions", "window", "state", _sql(_GAP), _folded(_sessions(180)), sinks=("append",)),
    Stateful(
        "frequent", "having", "state", _sql(_TEN) + " HAVING count(*) > 1",
        _folded(_windows(600, 600), lambda _, count: count > 1),
    ),
    Stateful(
        "weighty", "having", "state", _sql(_TEN) + " HAVING sum(v) > 5",
        _folded(_windows(600, 600), lambda result, _: (result["v"] or 0) > 5), sinks=("append",),
    ),
    Stateful(
        "once", "dedupe", "state", "SELECT k, g, v, unix_seconds(at) AS seq, gone FROM (SELECT DISTINCT k, g, v, gone, at FROM t)",
        _distinct, keys=COLUMNS,
    ),
)  # fmt: skip
"""Every stage that keeps state. None is over two streams: those have a property test of their own."""


def closed(rows: Rows, watermark: int) -> Rows:
    """The results that nothing changes any more."""
    return [row for row in rows if row["closes"] <= watermark]


def watermark(rows: Rows) -> int:
    """How far time has surely come after `rows`, in seconds."""
    return max((row["at"] for row in rows), default=0) - DELAY
