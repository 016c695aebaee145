"""Names of columns, found without Spark: what a query that is right returns, and what is said of one that is wrong."""

from __future__ import annotations

import pytest

from etl.config.schema.ddl import parse
from etl.config.sql.lexical import scan
from etl.config.sql.relation import NamedColumn, Relation
from etl.config.sql.resolution import Resolution, resolve, resolve_expression
from etl.config.sql.syntax import stand_in, understood
from tests.support.named_queries import TABLES, WRONG, queries

TABLES_KNOWN = {
    name: Relation(tuple(NamedColumn(column.name, column.shape) for column in parse(schema)))
    for name, schema in TABLES.items()
}


def resolved(text: str) -> Resolution:
    tree = understood(text) or understood(stand_in(text))
    assert tree is not None
    return resolve(tree, TABLES_KNOWN)


@pytest.mark.parametrize("text", queries())
def test_nothing_is_said_of_a_query_that_spark_takes(text: str) -> None:
    assert [fault.name for fault in resolved(text).faults] == []


@pytest.mark.parametrize(("text", "wrong"), WRONG)
def test_each_name_that_is_not_there_or_is_several_is_found_at_its_place(text: str, wrong: tuple[str, ...]) -> None:
    faults = resolved(text).faults
    assert tuple(fault.part for fault in faults) == wrong
    for fault in faults:
        assert fault.offset is not None
        assert text[fault.offset : fault.offset + fault.width].strip("`") == fault.part


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("SELECT * FROM orders JOIN customers USING (customer_id)", "customer_id id amount at tags address lines props note name region since"),
        ("SELECT o.*, c.name AS n FROM orders o JOIN customers c ON true", "id customer_id amount at tags address lines props note n"),
        ("SELECT * EXCEPT (note, tags) FROM orders", "id customer_id amount at address lines props"),
        ("SELECT id FROM orders UNION ALL SELECT customer_id FROM customers", "id"),
        ("SELECT id, name FROM orders o LEFT SEMI JOIN customers c USING (customer_id) JOIN customers d ON true", "id name"),
        ("WITH c(x, y) AS (SELECT id, amount FROM orders) SELECT * FROM c", "x y"),
        ("SELECT address.*, address.geo.lat FROM orders", "street geo lat"),
        ("SELECT id, explode(props) FROM orders", "id key value"),
    ],
)  # fmt: skip
def test_the_columns_that_a_query_returns_are_known_in_their_order(text: str, columns: str) -> None:
    output = resolved(text).output
    assert (" ".join(output.names), output.unknown, output.has_generated_names) == (columns, "", False)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT anything FROM elsewhere",
        "SELECT _metadata.file_name, o._metadata.file_path FROM orders o",
        "SELECT o.id, anything FROM orders o JOIN elsewhere e ON o.id = e.key",
        "SELECT anything FROM orders PIVOT (sum(amount) FOR note IN ('a' AS anything))",
        "SELECT `count(1)` FROM (SELECT count(*) FROM orders)",
        "SELECT anything FROM (SELECT some_function(id) FROM orders)",
        "SELECT anything FROM (SELECT :param FROM orders)",
    ],
)
def test_what_is_not_known_is_not_called_wrong(text: str) -> None:
    assert resolved(text).faults == ()


def test_a_closed_table_beside_an_open_one_is_still_judged() -> None:
    (fault,) = resolved("SELECT o.idd FROM orders o JOIN elsewhere e ON o.id = e.key").faults
    assert (fault.part, fault.whose, "id" in fault.names) == ("idd", "o", True)


def test_a_long_chain_of_conditions_or_of_unions_is_followed_to_its_end() -> None:
    chain = " AND ".join(["id > 1"] * 400)
    assert [fault.part for fault in resolved(f"SELECT id FROM orders WHERE {chain} AND idd > 1").faults] == ["idd"]
    union = " UNION ALL ".join(["SELECT id FROM orders"] * 100)
    assert [fault.part for fault in resolved(f"{union} UNION ALL SELECT idd FROM orders").faults] == ["idd"]


def test_an_expression_over_one_row_is_held_against_its_columns() -> None:
    rows = TABLES_KNOWN["orders"]
    for text, wrong in (
        ("amount > 0 AND address.street <> ''", []),
        ("amout > 0", ["amout"]),
        ("address.stret = ''", ["stret"]),
    ):
        tree = understood(f"SELECT 1 FROM t WHERE ({text})")
        assert [fault.part for fault in resolve_expression(tree.args["where"].this, rows)] == wrong


def test_the_queries_are_three_hundred_with_their_misspellings() -> None:
    assert len(queries()) + len(WRONG) >= 200
    assert all(scan(text).flaw is None for text in queries())
