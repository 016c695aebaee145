"""Rows compared: what is equal, which rows are put side by side, and how that looks."""

from __future__ import annotations

import math
from decimal import Decimal

from etl.config.spec import EqualitySpec, Near
from etl.operations.harness.difference import ComparedTable, compare
from etl.operations.harness.difference_table import difference_text, value_text


def test_rows_are_equal_in_any_order_with_nan_null_maps_and_nearly_equal_floats() -> None:
    left = [{"a": None, "b": math.nan, "c": {"x": 1, "y": 2}}, {"a": 1, "b": 0.1 + 0.2, "c": None}]
    right = [{"a": 1, "b": 0.3, "c": None}, {"a": None, "b": math.nan, "c": {"y": 2, "x": 1}}]
    assert compare(left, right, ComparedTable("target", ["a", "b", "c"])) is None


def test_how_often_a_row_is_there_counts() -> None:
    found = compare([{"a": 1}], [{"a": 1}, {"a": 1}], ComparedTable("target", ["a"]))
    assert found is not None
    assert (found.equal, found.missing, found.unexpected) == (1, 0, 1)


def test_values_of_different_kinds_are_not_equal() -> None:
    for left, right in ((1, True), ("1", 1), (Decimal(1), Decimal(2)), (None, 0), (1.0, 1.0 + 1e-8)):
        assert compare([{"a": left}], [{"a": right}], ComparedTable("target", ["a"])) is not None


def test_rows_of_one_key_are_put_side_by_side_and_their_differing_cells_marked() -> None:
    expected = [{"id": 1, "who": "a", "n": 1}, {"id": 2, "who": "b", "n": 2}, {"id": 3, "who": "c", "n": 3}]
    actual = [{"id": 1, "who": "a", "n": 1}, {"id": 2, "who": "B", "n": None}, {"id": 4, "who": "c", "n": 3}]
    found = compare(expected, actual, ComparedTable("target", ["id", "who", "n"], keys=["id"]))
    assert found is not None
    assert difference_text(found) == (
        "target: 1 as expected, 1 different, 1 missing, 1 unexpected (rows are matched by id)\n"
        "            id  who  n\n"
        "expected    2   »b«  »2«\n"
        "actual      2   »B«  »null«\n"
        "missing     3   c    3\n"
        "unexpected  4   c    3"
    )


def test_without_keys_the_likest_rows_are_put_side_by_side() -> None:
    expected = [{"a": 1, "b": 2, "c": 3}]
    actual = [{"a": 9, "b": 9, "c": 3}, {"a": 1, "b": 2, "c": 4}]
    found = compare(expected, actual, ComparedTable("target", ["a", "b", "c"]))
    assert found is not None
    assert [(pair.actual, pair.differing) for pair in found.pairs] == [(actual[1], ("c",)), (actual[0], ())]


def test_on_a_terminal_cells_are_coloured_instead_of_marked() -> None:
    found = compare([{"a": 1, "b": 1}], [{"a": 1, "b": 2}], ComparedTable("target", ["a", "b"]))
    assert found is not None
    text = difference_text(found, colour=True)
    assert "\x1b[32m1\x1b[0m" in text
    assert "\x1b[31m2\x1b[0m" in text
    assert "»" not in text


def test_of_a_wide_table_only_what_differs_is_shown_and_of_a_long_one_only_the_first_rows() -> None:
    names = [f"c{number}" for number in range(12)]
    expected = [{**dict.fromkeys(names, 1), "c0": number} for number in range(30)]
    actual = [{**row, "c7": 2} for row in expected]
    found = compare(expected, actual, ComparedTable("target", names, keys=["c0"]))
    assert found is not None
    text = difference_text(found, most=3)
    assert text.splitlines()[1].split() == ["c0", "c7"]
    assert "… and 27 more rows that differ" in text
    assert "not shown, since equal in all of these rows: c1, c2" in text


def test_masked_columns_are_compared_and_not_shown() -> None:
    found = compare(
        [{"a": 1, "pin": "s3cret"}], [{"a": 1, "pin": "other"}], ComparedTable("target", ["a", "pin"], masked=["pin"])
    )
    assert found is not None
    assert "s3cret" not in difference_text(found)
    assert "»***«" in difference_text(found)


def test_texts_that_look_like_something_else_are_quoted() -> None:
    assert [value_text(item) for item in (None, "null", "", " a", "a", True, Decimal("1E+2"), b"\xff", {"a": (1,)})] == [
        "null", '"null"', '""', '" a"', "a", "true", "100", "0xff", "{a: [1]}",
    ]  # fmt: skip


def test_equality_says_which_columns_do_not_count_how_near_numbers_are_and_what_has_no_order() -> None:
    left = [{"id": 1, "at": 1, "a": 1.0, "b": Decimal("10.00"), "c": 100, "d": [1, 2, 2]}]
    right = [{"id": 1, "at": 2, "a": 1.001, "b": Decimal("10.01"), "c": 101, "d": [2, 1, 2]}]
    said = EqualitySpec(
        ignore=("AT",), near=(Near("a", rel=1e-2), Near("b", abs=0.01), Near("C", abs=1)), unordered=("d",)
    )
    names = ["id", "at", "a", "b", "c", "d"]
    assert compare(left, right, ComparedTable("target", names, equality=said)) is None
    found = compare(left, right, ComparedTable("target", names, keys=["id"]))
    assert found is not None
    assert found.pairs[0].differing == ("at", "a", "b", "c", "d")
    closer = EqualitySpec(near=(Near("b", abs=0.001), Near("c", rel=0.001)), unordered=("d",))
    found = compare(
        left,
        [{**right[0], "d": [1, 1, 2]}],
        ComparedTable("target", ["id", "b", "c", "d"], keys=["id"], equality=closer),
    )
    assert found is not None
    assert found.pairs[0].differing == ("b", "c", "d")


def test_of_very_many_differing_rows_the_first_of_each_side_are_put_side_by_side() -> None:
    rows = [{"id": number, "n": 0} for number in range(50)]
    others = [{"id": number, "n": 1} for number in reversed(range(50))]
    found = compare(rows, others, ComparedTable("target", ["id", "n"], keys=["id"]), most=10)
    assert found is not None
    assert (found.different, found.missing, found.beyond) == (10, 0, 40)
    assert "… and 47 more rows that differ" in difference_text(found, most=3)


def test_a_row_that_is_there_twice_is_put_beside_two_rows() -> None:
    twice = {"id": 1, "of": "a", "n": 2}
    found = compare([{"id": 1, "of": "a", "n": 1}] * 2, [twice, twice], ComparedTable("target", ["id", "of", "n"]))
    assert found is not None
    assert (found.different, found.missing, found.unexpected) == (2, 0, 0)
