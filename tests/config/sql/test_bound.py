"""Params in expressions: typed literals in place of markers, and no value that becomes code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from etl.config.spec import ExpectationSpec, FlowSpec, GroupSpec, SinkSpec
from etl.config.sql.bound import bound, params_in, with_literals

VALUES: dict[str, Any] = {
    "text2": "MONTH",
    "yes": True,
    "least": 3,
    "below": -3,
    "big": 3_000_000_000,
    "lowest": -9_223_372_036_854_775_808,
    "rate": 0.1,
    "huge": -1e300,
    "endless": float("-inf"),
    "day": date(2024, 1, 31),
    "at": datetime(2024, 1, 31, 12, 30, 0, 123456, tzinfo=UTC),
    "text": "it's a \\ and a \" and\n-- /* :least */ ${x}' OR 1=1 --",
    "accent": "Größe \N{SNOWMAN}",
}


@pytest.mark.pure
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > :least", "a > (3)"),
        ("a BETWEEN :below AND :least OR b = :day", "a BETWEEN (-3) AND (3) OR b = DATE'2024-01-31'"),
        ("a > :nosuch", "a > :nosuch"),
        ("a = ':least' AND `:least` > 0 AND b = :least", "a = ':least' AND `:least` > 0 AND b = (3)"),
        ("v:least > :least", "v:least > (3)"),
        ("a::int > :least", "a::int > (3)"),
        ("a in (:least,:below)", "a in ((3),(-3))"),
        ("date_trunc(:text2, day)", "date_trunc('MONTH', day)"),
        ("a > 0", "a > 0"),
    ],
)
def test_a_marker_is_replaced_where_it_stands_for_a_value(text: str, expected: str) -> None:
    assert bound(text, VALUES) == expected


@pytest.mark.pure
def test_every_expression_beside_a_transform_is_bound_and_the_rest_of_the_flow_stays() -> None:
    flow = FlowSpec(
        "f",
        (),
        expectations=(ExpectationSpec("e", "a > :least", "drop"),),
        sink=SinkSpec(strategy="merge", delete_when="b = :text"),
        groups=(GroupSpec("g", (("i", "a % :big"),)),),
    )
    assert params_in(flow) == {"least", "text", "big"}
    made = with_literals(flow, VALUES)
    assert params_in(made) == frozenset()
    assert (made.expectations[0].expr, made.groups[0].of("i")) == ("a > (3)", "a % (3000000000)")
    plain = FlowSpec("f", (), expectations=(ExpectationSpec("e", "a > 0", "drop"),))
    assert with_literals(plain, VALUES) is plain


@pytest.mark.pure
def test_no_value_is_null() -> None:
    assert bound("a = :a", {"a": None}) == "a = NULL"


@pytest.mark.pure
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yes", "true"),
        ("below", "(-3)"),
        ("rate", "(0.1D)"),
        ("huge", "(-1e+300D)"),
        ("endless", "double('-inf')"),
        ("at", "TIMESTAMP'2024-01-31 12:30:00.123456+00:00'"),
        ("text", "'it\\'s a \\\\ and a \" and\n-- /* :least */ \\u0024{x}\\' OR 1=1 --'"),
        ("accent", "'Größe \N{SNOWMAN}'"),
    ],
)
def test_a_value_is_a_literal_of_its_type_and_never_code(name: str, expected: str) -> None:
    assert bound(f":{name}", VALUES) == expected
