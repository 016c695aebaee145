"""A backfill before it happens: a range of one column cut into windows, and what became of them. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic_core import PydanticCustomError

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.values import seconds
from etl.errors import ConfigurationError
from etl.markup import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.planning.results import Counts

Bound: TypeAlias = date | datetime | int | float | Decimal | str

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_MOMENTS = ("timestamp", "timestamp_ntz")
_DAY = timedelta(days=1)
_DIGITS = 38  # of Spark's decimals
_MOST = 10_000  # commits


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a backfill's range, `start` ≤ column < `end`, as SQL literals; one commit."""

    number: int  # from 1
    of: int
    start: str  # for a person and for the stamp
    end: str
    low: str  # the same as SQL
    high: str

    def condition(self, column: str) -> str:
        """The SQL condition on a quoted column; NULL is in no window."""
        return f"{column} >= {self.low} AND {column} < {self.high}"


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What a backfill did. A window that was done by an attempt before this one is in `windows`, and not in `counts`."""

    run_id: str
    pipeline: str
    flow: str
    id: str
    column: str
    start: str
    end: str
    windows: int  # of the whole range
    done_before: int
    done: int  # by this run
    status: Literal["succeeded", "failed"]
    counts: Counts
    generation: int
    target: str
    started_at: str  # ISO 8601, UTC
    duration_s: float
    mode: Literal["backfill"] = "backfill"
    warnings: tuple[str, ...] = ()
    error: str | None = None

    def __repr__(self) -> str:
        again = f", {self.done_before} of them by an attempt before this one" if self.done_before else ""
        return (
            f"Backfill of {self.pipeline}.{self.flow}, {self.start} ≤ {self.column} < {self.end}: {self.status},"
            f" {self.done + self.done_before} of {counted(self.windows, 'window')}{again}; {counted(self.counts.written, 'row')} written,"
            f" {self.counts.dropped:,} dropped, {self.counts.quarantined:,} quarantined"
        )


def windows(column: str, kind: str, start: str, end: str, size: str | None, *, timezone: str) -> tuple[Window, ...]:
    """The range from `start` up to `end` of a column of type `kind`, in windows of `size`; ConfigurationError (E281) where it is none.

    Bounds without an offset are in `timezone`, and windows of whole days follow its calendar.
    """
    zone = ZoneInfo(timezone)
    low, high = _bound(column, kind, start, "--from", zone), _bound(column, kind, end, "--to", zone)
    if not _order(low) < _order(high):
        raise _wrong(
            f"the range ends before it begins: --from {start} is not less than --to {end}", "swap the two bounds"
        )
    edges: list[Bound] = []
    for edge in _edges(low, high, kind, size, zone):
        edges.append(edge)
        if len(edges) > _MOST:
            raise _wrong(
                f"--window {size} cuts the range into more than {_MOST:,} commits",
                "choose a longer window, or a shorter range",
            )
    pairs = list(zip(edges, [*edges[1:], high], strict=True))
    return tuple(
        Window(number, len(pairs), _text(a), _text(b), _literal(a), _literal(b))
        for number, (a, b) in enumerate(pairs, start=1)
    )


def _bound(column: str, kind: str, text: str, flag: str, zone: ZoneInfo) -> Bound:
    what, example = _expected(column, kind)
    try:
        return _parsed(kind, text.strip() if kind != "string" else text, zone)
    except (ValueError, OverflowError, InvalidOperation):
        raise _wrong(f"{flag} '{text}' is no {what}, which column '{column}' holds", f"write it as {example}") from None


def _expected(column: str, kind: str) -> tuple[str, str]:
    if kind == "date":
        return "date", "2013-01-31"
    if kind == "timestamp":
        return "timestamp", "2013-01-31, 2013-01-31T12:00:00 or 2013-01-31T12:00:00+02:00"
    if kind == "timestamp_ntz":
        return "timestamp without a time zone", "2013-01-31 or 2013-01-31T12:00:00"
    if kind in _WHOLE:
        return "whole number", "1000"
    if kind in ("float", "double") or kind.startswith("decimal"):
        return "number", "10.5"
    if kind == "string":
        return "text", "a"
    message = f"column '{column}' is {kind}, which has no ranges"
    raise _wrong(message, "name a column of dates, timestamps, numbers or texts")


def _parsed(kind: str, text: str, zone: ZoneInfo) -> Bound:
    if kind == "date":
        return date.fromisoformat(text)
    if kind in _MOMENTS:
        found = datetime.fromisoformat(text)
        if kind == "timestamp":
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        if found.tzinfo is not None:
            raise ValueError(text)
        return found
    if kind in _WHOLE:
        _must_fit(Decimal(int(text)), text)
        return int(text)
    if kind in ("float", "double"):
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    if kind.startswith("decimal"):
        exact = Decimal(text)
        if not exact.is_finite():
            raise ValueError(text)
        _must_fit(exact, text)
        return exact
    text.encode()  # ValueError for half a character
    return text


def _must_fit(number: Decimal, text: str) -> None:
    """ValueError where a number has more digits than Spark's literals."""
    digits, exponent = len(number.as_tuple().digits), int(number.as_tuple().exponent)
    if max(digits, digits + exponent, -exponent) > _DIGITS:
        raise ValueError(text)


def _order(bound: Bound) -> Any:
    return bound.encode() if isinstance(bound, str) else bound  # Spark orders texts by their UTF-8


def _edges(low: Any, high: Any, kind: str, size: str | None, zone: ZoneInfo) -> Iterator[Bound]:
    """The beginnings of the windows."""
    if size is None:
        yield low
        return
    if kind == "string":
        raise _wrong("a range of texts has no --window", "leave it out: the range is one commit")
    if kind != "date" and kind not in _MOMENTS:
        length = _number(kind, size)
        at, count = low, 0
        while at < high:
            yield at
            count += 1
            at = low + length * count
        return
    try:
        span = timedelta(seconds=seconds(size))
    except PydanticCustomError as cause:
        raise _wrong(f"--window: {cause}", "write it as '1 day' or '6 hours'") from None
    if not span or (kind == "date" and span % _DAY):
        raise _wrong(
            f"--window {size} is no number of {'whole days' if kind == 'date' else 'seconds'}", "write it as '1 day'"
        )
    at, count = low, 0
    while at < high:
        yield at
        count += 1
        at = _later(low, span * count, zone, by_calendar=not span % _DAY)


def _later(low: Any, by: timedelta, zone: ZoneInfo, *, by_calendar: bool) -> Any:
    try:
        if isinstance(low, datetime) and low.tzinfo is not None and by_calendar:
            local = low.astimezone(zone).replace(tzinfo=None) + by
            return local.replace(tzinfo=zone).astimezone(UTC)
        return low + by
    except OverflowError:  # past the year 9999: no window begins there
        return datetime.max.replace(tzinfo=low.tzinfo) if isinstance(low, datetime) else date.max


def _number(kind: str, size: str) -> Any:
    try:
        found = int(size) if kind in _WHOLE else Decimal(size) if kind.startswith("decimal") else float(size)
        if not math.isfinite(found):
            raise ValueError(size)
    except (ValueError, InvalidOperation):
        raise _wrong(
            f"--window '{size}' does not fit a column of {kind}", "write it as a number, such as 1000"
        ) from None
    if found <= 0:
        raise _wrong(f"--window {size} is not longer than nothing", "write it as a number above 0")
    return found


def _text(bound: Bound) -> str:
    return bound.isoformat() if isinstance(bound, date) else str(bound)


def _literal(bound: Bound) -> str:
    if isinstance(bound, datetime):
        moment = bound.strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
        return f"TIMESTAMP '{moment}+00:00'" if bound.tzinfo else f"TIMESTAMP_NTZ '{moment}'"
    if isinstance(bound, date):
        return f"DATE '{bound.isoformat()}'"
    if isinstance(bound, str):
        return f"CAST(X'{bound.encode().hex()}' AS STRING)"  # a text of the user's is never read as code
    if isinstance(bound, float):
        return f"CAST('{bound!r}' AS DOUBLE)"
    if isinstance(bound, Decimal):
        return f"{bound:f}BD"
    return f"CAST({bound} AS DECIMAL(38, 0))" if abs(bound) >= 1 << 63 else f"{bound}L"


def _wrong(message: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic("E281", message, hint=hint)])
