"""SQL and DDL without Spark: nothing that Spark takes is refused, and no value becomes code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.config.diagnostics import in_file
from etl.config.schema.ddl import DdlError, parse
from etl.config.sql.expressions import check_expression
from etl.config.sql.lexical import FILLER, scan
from etl.config.sql.query import check_sql
from etl.config.sql.syntax import markers, normal
from etl.config.sql.volatile import found_in

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
    assert found.code in ("E303", "E306", "E307")
    assert found.hint


MISPLACED = (
    ("SELECT CAST(x AS DECIMAL(:a, 2)) FROM t", "inside a type", 25), ("SELECT x::ARRAY<DECIMAL(:a, 2)> FROM t", "inside a type", 24),
    ("SELECT * FROM :a", "as a table", 14), ("SELECT t.:a FROM t", "as a column", 9), ("SELECT x AS :a FROM t", "as a name", 12),
)  # fmt: skip


@pytest.mark.parametrize(("text", "words", "offset"), MISPLACED)
def test_a_marker_stands_for_a_value_and_where_none_can_stand_it_is_refused(text: str, words: str, offset: int) -> None:
    at = in_file("q.sql", text)
    (found,) = check_sql(text, at, inputs={"t": at(0)} if "FROM t" in text else {}, params={"a"}, flow="f")
    assert (found.code, words in found.message, found.at.column) == ("E350", True, offset + 1), found.render()
    assert "a marker stands for a value" in found.message


def test_what_a_hint_names_is_no_table_and_a_part_of_a_variant_no_marker() -> None:
    text = "SELECT /*+ BROADCAST(d), SHUFFLE_HASH(t) */ t.v:a.b::int FROM t JOIN s AS d ON t.id = d.id"
    at = in_file("q.sql", text)
    assert check_sql(text, at, inputs={"t": at(0), "s": at(0)}, params=(), flow="f") == []
    assert markers(text) == frozenset()


CLOCKS = (
    "TIMESTAMP'now'", "TIMESTAMP ' Now '", "TIMESTAMP_NTZ'today'", "TIMESTAMP_LTZ'yesterday UTC'", "DATE'today'", 'DATE "tomorrow"', "DATE r'now'",
    "TIMESTAMP'12:30'", "TIMESTAMP'T12'", "CAST('now' AS TIMESTAMP)", "TRY_CAST('today' AS DATE)", "'12:30'::timestamp", "to_timestamp('now')", "to_date('today')", "date('now')",
    "TIMESTAMP'\\u006eow'", "now()", "current_timestamp ( )", "rand(3)", "uniform(0, 9, 1)", "version()", "kll_sketch_agg_bigint(x)", "aes_encrypt(b, k)", "aes_encrypt(b, k, 'CBC')",
)  # fmt: skip
NO_CLOCKS = (
    "TIMESTAMP'epoch'", "TIMESTAMP'2020-01-01 12:30'", "DATE'2020-01-01'", "'now'", "concat('TIMESTAMP', 'now')", "x.now()", "`now`()", "now", "CAST('2020-01-01' AS DATE)",
    "aes_encrypt(b, k, 'ECB')", "aes_encrypt(b, k, 'GCM', 'DEFAULT', iv)", "unix_timestamp(ts)", "to_timestamp('12', 'HH')", "TIME'12:30'", "user_id", "randomise(x)",
)  # fmt: skip


@pytest.mark.parametrize("text", CLOCKS)
def test_what_differs_from_run_to_run_is_found_in_the_text_where_it_begins(text: str) -> None:
    assert [offset for _, offset in found_in(f"SELECT id, {text} FROM t")] == [len("SELECT id, ")]
    if "kll" not in text:
        (found,) = check_expression(f"x = {text}", in_file("e", f"x = {text}"), "it")
        assert (found.code, found.at.column) == ("E262", 5), found.render()


@pytest.mark.parametrize("text", NO_CLOCKS)
def test_what_is_the_same_in_every_run_is_not(text: str) -> None:
    assert list(found_in(f"SELECT id, {text} FROM t")) == []


def test_a_string_or_a_comment_is_never_taken_for_code() -> None:
    found = scan("SELECT ';', r'\\', `a;b` -- ; (\n/* /* ( */ ; */ FROM t")
    assert (len(found.statements), found.flaw) == (1, None)
    assert set(found.bare) & set(";(`'") == set()
    assert FILLER in found.bare
