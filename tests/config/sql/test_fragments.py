"""The part of a query that failed: found in its text by what Spark underlines, and followed to the rows of an input."""

from __future__ import annotations

import pytest

from etl.config.spec import FlowSpec, SqlTransform
from etl.config.sql.fragments import failing_fragment, suspects, underlined

pytestmark = pytest.mark.pure

COLUMNS = {"orders": ("id", "Price", "qty", "tags"), "fx": ("cur", "rate")}
CAST = (
    '[CAST_INVALID_INPUT] The value \'it\\\'s\' of the type "STRING" cannot be cast to "INT" because it is malformed.'
)
ZERO = "[DIVIDE_BY_ZERO] Division by zero."


def message(query: str, fragment: str, what: str = CAST) -> str:
    """What Spark says where a fragment of a query fails (seen with 4.2.0): each line of it, underlined."""
    start, shown, offset = query.index(fragment), "", 0
    before = query[:start]
    for line in query.split("\n"):
        begin, end = max(start - offset, 0), min(start + len(fragment) - offset, len(line))
        if end > begin:
            shown += f"{line}\n{' ' * begin}{'^' * (end - begin)}\n"
        offset += len(line) + 1
    return f"{what}\n== SQL (line {before.count(chr(10)) + 1}, position {start - before.rfind(chr(10))}) ==\n{shown}\n\nCaused by: more"


SUSPECTS = [
    ("SELECT id,\n  CAST(price AS\n INT) AS amount FROM orders", "CAST(price AS\n INT)", "amount", "TRY_CAST(`Price` AS INT) IS NULL AND `Price` IS NOT NULL"),
    ("SELECT sum(price::int) AS s FROM orders GROUP BY id", "price::int", "s", "TRY_CAST(`Price` AS INT) IS NULL"),
    ("SELECT id FROM orders o JOIN fx ON o.id = cur WHERE int(o.price) > 5", "int(o.price)", "", "TRY_CAST(`Price` AS INT) IS NULL"),
    ("WITH a AS (SELECT *, trim(price) AS p FROM orders) SELECT int(p) AS x FROM a", "int(p)", "x", "TRY_CAST((TRIM(`Price`)) AS INT) IS NULL"),
    ("SELECT x + 1 AS y FROM (SELECT z.price AS x FROM orders z) w", "x + 1", "y", "CAST(`Price` AS STRING) = 'it\\'s'"),
    ("SELECT date(price) FROM orders", "date(price)", "", "TRY_CAST(`Price` AS DATE) IS NULL"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "text", "column", "condition"), SUSPECTS)
def test_a_cast_is_followed_to_the_column_that_it_computes_and_the_rows_it_can_fail_of(
    query: str, text: str, column: str, condition: str
) -> None:
    said = message(query, text)
    fragment = failing_fragment(FlowSpec("f", (), SqlTransform(query)), said)
    assert fragment is not None
    assert (fragment.text, fragment.column, query[fragment.start :].startswith(text)) == (text, column, True)
    found = suspects(fragment, said, COLUMNS)
    assert found is not None
    assert found.input_name == "orders"
    assert condition in found.condition
    assert "CAST(`Price` AS STRING) = 'it" in found.condition


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("10 / qty", "(`qty` = 0)"),
        ("id % qty", "(`qty` = 0)"),
        ("id div (qty - 1)", "((TRY_SUBTRACT(`qty`, 1)) = 0) OR (TRY_SUBTRACT(`qty`, 1) IS NULL AND `qty` IS NOT NULL AND 1 IS NOT NULL)"),
        ("id + qty", "(TRY_ADD(`id`, `qty`) IS NULL AND `id` IS NOT NULL AND `qty` IS NOT NULL)"),
        ("tags[qty]", "(`qty` < 0 OR `qty` >= size(`tags`))"),
    ],
)  # fmt: skip
def test_other_expressions_are_as_well(text: str, condition: str) -> None:
    query = f"SELECT {text} AS x FROM orders"
    said = message(query, text, ZERO)
    fragment = failing_fragment(FlowSpec("f", (), SqlTransform(query)), said)
    assert fragment is not None
    found = suspects(fragment, said, COLUMNS)
    assert found is not None
    assert found.condition == condition


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT price + rate AS x FROM orders, fx", "price + rate"),
        ("SELECT n / (n - 4) AS x FROM (SELECT count(*) AS n FROM orders)", "n / (n - 4)"),
        ("SELECT 1 / qty AS x FROM (SELECT DISTINCT qty FROM orders)", "1 / qty"),
        ("SELECT nosuch / 1 AS x FROM orders", "nosuch / 1"),
        ("SELECT 1 / 0 AS x FROM orders", "1 / 0"),
    ],
    ids=["of two inputs", "of an aggregate", "of distinct rows", "of no column", "of none"],
)
def test_where_columns_of_one_input_do_not_tell_it_nothing_is_said_of_rows(query: str, text: str) -> None:
    said = message(query, text)
    fragment = failing_fragment(FlowSpec("f", (), SqlTransform(query)), said)
    assert fragment is not None
    assert suspects(fragment, said, COLUMNS) is None


def test_a_fragment_is_that_of_the_flow_or_a_view_or_it_is_none() -> None:
    view = FlowSpec("v", (), SqlTransform("SELECT int(b) AS b FROM t"))
    flow = FlowSpec("f", (), SqlTransform("SELECT 1 AS one,\n  int(a) AS a FROM v"), views=(view,))
    of_view, of_flow = (failing_fragment(flow, message(part.transform.text, text)) for part, text in ((view, "int(b)"), (flow, "int(a)")))  # type: ignore[union-attr]  # fmt: skip
    assert of_view is not None
    assert of_flow is not None
    assert (of_view.part.name, of_flow.part.name) == ("v", "f")
    assert failing_fragment(flow, message("SELECT int(other) FROM v", "int(other)")) is None
    moved = message("SELECT   2,\n  int(a) AS a FROM v", "int(a)").replace("line 2", "line 5")
    assert failing_fragment(flow, moved) == of_flow  # it stands there once
    assert failing_fragment(flow, "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012") is None
    assert underlined("== SQL (line 1, position 1) ==\nSELECT 1") == ""
