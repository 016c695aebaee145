"""SQL and DDL without Spark: nothing that Spark takes is refused, and no value becomes code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.config.ddl import DdlError, parse
from etl.config.diagnostics import in_file
from etl.config.lexical import FILLER, scan
from etl.config.query import check_expression, check_sql, markers, normal

QUERIES = [
    text for text in Path(__file__).with_name("queries.sql").read_text(encoding="utf-8").split("\n\n") if text.strip()
]
SCHEMAS = (
    "id BIGINT, name STRING", "a INTERVAL DAY TO SECOND, b INTERVAL YEAR TO MONTH, c INTERVAL YEAR, d INTERVAL", "a TIMESTAMP_NTZ, b TIMESTAMP_LTZ, c DATE, d TIME, e TIME(3)",
    "a CHAR(3), b VARCHAR(10), c CHARACTER(4)", "a DECIMAL, b DECIMAL(10), c DECIMAL(38, 38), d DEC(3,1), e NUMERIC(5, 2), f DECIMAL(0)",
    "a STRUCT<x: INT, y: STRUCT<z: ARRAY<MAP<STRING, INT>>>>", "a STRUCT<x INT, y STRING NOT NULL COMMENT 'why'>", "a STRUCT<>", "a ARRAY<ARRAY<INT> >",
    "id INT NOT NULL COMMENT 'the id', b STRING COMMENT \"it's\"", "a STRING COLLATE UTF8_LCASE, b STRING COLLATE UNICODE_CI_AI", "`a b` INT, `we``ird` STRING, `select` INT",
    "select INT, from STRING, order INT, time TIME, comment STRING", "_a INT, `2` INT", "a INT -- the first\n, /* and */ b STRING", "a TIMESTAMP WITHOUT TIME ZONE, b TIMESTAMP WITH LOCAL TIME ZONE",
    "a VARIANT, b VOID, c BINARY, d BOOLEAN, e TINYINT, f BYTE, g SMALLINT, h SHORT, i LONG, j REAL, k FLOAT, l DOUBLE", "a GEOMETRY(4326), b GEOGRAPHY(ANY)",
)  # fmt: skip
NO_SCHEMAS = (
    "", "a", "a INT,", "a INT b INT", "a-b INT", "a.b INT", "été INT", "a: INT", "2 INT", "a STRING(5)", "a INT(5)", "a MAP<STRING>", "a MAP<STRING, INT, INT>", "a ARRAY", "a CHAR", "a VARCHAR",
    "a DECIMAL(39, 2)", "a DECIMAL(5, 6)", "a DECIMAL(10, -2)", "a STRING COMMENT why", "a INT NULL", "a INT COMMENT 'x' NOT NULL", "a INT DEFAULT 5", "a BIGINT GENERATED ALWAYS AS IDENTITY",
    "a INTERVAL SECOND TO DAY", "a INTERVAL MONTH TO DAY", "a FLOAT(5)", "a DOUBLE PRECISION", "a TIMESTAMP(3)", "a NUMBER", "a TEXT", "a DATETIME", "a UUID", "a JSON", "a 'INT'", "'a' INT", "a ARRAY<STRING NOT NULL>",
    "struct<a: int>", "a INT; DROP TABLE x", "a INT)",
)  # fmt: skip
EXPRESSIONS = (
    "quantity > 0", "`a b` > 0", "a IN (1, 2)", "a RLIKE 'x'", "CASE WHEN a THEN b END", "a::INT > 0", "exists(xs, x -> x > 0)", "a >>> 1 = 0", "'it''s' = a", "x.y.z > 0", "m['k'] > 0",
    "a BETWEEN 1 AND 2", "NOT a", "a <=> b", "a == b", "try_cast(a AS INT) IS NOT NULL", "a LIKE ANY ('x', 'y')", "size(filter(xs, x -> x > 1)) > 0", "date > DATE '2020-01-01'", "end > start",
    "a = ';'", "a = '--'", "a = ')'",
)  # fmt: skip


def errors(found: list[object]) -> list[str]:
    return [str(item) for item in found if not getattr(item, "is_warning", False)]


@pytest.mark.parametrize("text", QUERIES, ids=range(len(QUERIES)))
def test_a_query_that_spark_takes_is_not_refused(text: str) -> None:
    bare = scan(text).bare
    inputs = [
        name
        for name in ("t", "s", "u")
        if re.search(rf"\b(?:FROM|JOIN|TABLE|,)\s*\(*{name}\b(?!\()", bare, re.IGNORECASE)
    ]
    at = in_file("q.sql", text)
    assert (
        errors(
            check_sql(
                text, at, inputs={name: at(0) for name in inputs}, params={"since", "region", "a", "col"}, flow="f"
            )
        )
        == []
    )
    assert normal(text)
    assert markers(text) <= {"since", "region", "a", "col"}


@pytest.mark.spark
def test_spark_takes_the_queries_schemas_and_expressions_and_no_others(spark: SparkSession) -> None:
    parser = spark._jsparkSession.sessionState().sqlParser()  # noqa: SLF001  # only Spark itself knows what it takes
    for text in QUERIES:
        parser.parsePlan(text)
    for text in EXPRESSIONS:
        parser.parseExpression(text)
    for text in SCHEMAS:
        parser.parseTableSchema(text)
    for text in NO_SCHEMAS:
        with pytest.raises(Exception, match=r"== SQL ==|SQLSTATE"):
            parser.parseTableSchema(text)


@pytest.mark.parametrize("text", SCHEMAS)
def test_a_schema_that_spark_takes_is_not_refused(text: str) -> None:
    assert parse(text)


@pytest.mark.parametrize("text", NO_SCHEMAS)
def test_a_schema_that_spark_refuses_is_refused_at_a_place_inside_of_it(text: str) -> None:
    with pytest.raises(DdlError) as raised:
        parse(text)
    assert 0 <= raised.value.offset <= max(0, len(text) - 1)
    assert raised.value.hint


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_over_a_row_is_not_refused(text: str) -> None:
    assert errors(check_expression(text, in_file("e", text), "it")) == []


@pytest.mark.parametrize(
    "text",
    ["1=1) OR (1=1", "a > 0) --", "a > 0 --", "a > 0 /* x", "a > 0 /* x */", "a; DROP TABLE t", "a > 0;", "", "  ", "a b", "a AS b", "a, b", "*", "a > > 0", "a >", "(a", "a]", "'a", "`a", "a = 'x\\'",
     "SELECT 1", "(SELECT 1) > 0", "a IN (SELECT 1)", "EXISTS (SELECT 1)", "a > (WITH x AS (SELECT 1) SELECT * FROM x)", "count(*) > 0", "sum(a) OVER () > 0", "lag(a) OVER (ORDER BY b) = 1",
     "explode(xs) > 0", "a > :least"],
)  # fmt: skip
def test_what_would_change_the_query_around_an_expression_is_refused(text: str) -> None:
    (found,) = check_expression(text, in_file("e", text), "it")
    assert found.code in ("E306", "E307", "E309")
    assert found.hint


def test_a_string_or_a_comment_is_never_taken_for_code() -> None:
    found = scan("SELECT ';', r'\\', `a;b` -- ; (\n/* /* ( */ ; */ FROM t")
    assert (len(found.statements), found.flaw) == (1, None)
    assert set(found.bare) & set(";(`'") == set()
    assert FILLER in found.bare
