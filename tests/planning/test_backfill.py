"""A range cut into windows: every value of it in just one of them."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigurationError
from etl.planning.backfill import windows


def cut(kind: str, start: str, end: str, size: str | None = None, zone: str = "UTC") -> list[tuple[str, str]]:
    return [(item.start, item.end) for item in windows("c", kind, start, end, size, timezone=zone)]


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.integers(1, 500), st.integers(1, 30))
def test_windows_follow_each_other_from_the_first_bound_to_the_last(low: date, length: int, days: int) -> None:
    high = low + timedelta(length)
    found = cut("date", str(low), str(high), f"{days} days")
    assert (found[0][0], found[-1][1]) == (str(low), str(high))
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert len(found) == -(-length // days)


def test_days_of_timestamps_are_those_of_the_flow_s_calendar() -> None:
    found = cut("timestamp", "2026-03-28", "2026-03-31", "1 day", "Europe/Berlin")  # the 29th has 23 hours
    assert [start for start, _ in found] == [
        "2026-03-27T23:00:00+00:00", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00",
    ]  # fmt: skip
    assert cut("timestamp", "2026-03-28T01:00:00+01:00", "2026-03-28T00:00:01+00:00") == [
        ("2026-03-28T00:00:00+00:00", "2026-03-28T00:00:01+00:00")
    ]


def test_numbers_and_texts_have_ranges_too() -> None:
    assert cut("bigint", "-5", "10", "10") == [("-5", "5"), ("5", "10")]
    assert cut("decimal(10,2)", "0", "1", "0.5") == [("0", "0.5"), ("0.5", "1")]
    (window,) = windows("c", "string", "o'", "p\\", None, timezone="UTC")
    assert window.condition("`c`") == "`c` >= CAST(X'6f27' AS STRING) AND `c` < CAST(X'705c' AS STRING)"


def test_the_last_window_may_end_where_the_calendar_does() -> None:
    assert cut("date", "9999-12-20", "9999-12-31", "7 days") == [
        ("9999-12-20", "9999-12-27"), ("9999-12-27", "9999-12-31"),
    ]  # fmt: skip
    assert cut("timestamp_ntz", "9999-12-30", "9999-12-31T12:00:00", "1 day")[-1][1] == "9999-12-31T12:00:00"
    (window,) = cut("timestamp", "9999-12-30", "9999-12-31", "7 days", "Asia/Tokyo")
    assert window == ("9999-12-29T15:00:00+00:00", "9999-12-30T15:00:00+00:00")


@pytest.mark.parametrize(
    ("kind", "start", "end", "size", "what"),
    [
        ("date", "2026-01-02", "2026-01-02", None, "ends before it begins"),
        ("date", "2026-13-01", "2026-01-02", None, "--from '2026-13-01' is no date"),
        ("timestamp", "2026-01-01", "soon", None, "--to 'soon' is no timestamp"),
        ("timestamp_ntz", "2026-01-01T00:00:00+01:00", "2026-01-02", None, "without a time zone"),
        ("int", "1.5", "2", None, "--from '1.5' is no whole number"),
        ("double", "nan", "2", None, "--from 'nan' is no number"),
        ("date", "2026-01-01", "2026-01-05", "6 hours", "no number of whole days"),
        ("date", "2026-01-01", "2026-01-05", "1 moon", "'1 moon' is no duration"),
        ("int", "1", "9", "1 day", "--window '1 day' does not fit a column of int"),
        ("int", "1", "9", "0", "is not longer than nothing"),
        ("string", "a", "b", "1 day", "has no --window"),
        ("timestamp", "2026-01-01", "2027-01-01", "1 second", "more than 10,000 commits"),
        ("array<int>", "1", "2", None, "which has no ranges"),
        ("decimal(10,2)", "1", "3", "nan", "--window 'nan' does not fit a column of decimal(10,2)"),
        ("double", "1", "3", "inf", "--window 'inf' does not fit a column of double"),
        ("decimal(10,2)", "0", "1e50", None, "--to '1e50' is no number"),
        ("decimal(10,2)", "1e-50", "1", None, "--from '1e-50' is no number"),
        ("tinyint", "0", "9" * 45, None, "is no whole number"),
        ("string", "a", "\ud800", None, "is no text"),
    ],
)
def test_what_is_no_range_is_refused_with_what_would_be_one(
    kind: str, start: str, end: str, size: str | None, what: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        cut(kind, start, end, size)
    (found,) = refused.value.diagnostics
    assert found.code == "E281"
    assert what in found.message
    assert found.hint
