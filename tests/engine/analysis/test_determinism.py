"""Values that no mode can promise: which are refused, where they are named, and what `equality:` lets pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Location
from etl.config.spec import EqualitySpec, FlowSpec, InputSpec, PythonTransform, SinkSpec, SqlTransform
from etl.config.sql import run_ts
from etl.engine.analysis import classify
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    from etl.config.diagnostics import Diagnostic

AT = Location("pipeline.yml", 7, 12)


def judged(spark: SparkSession, query: str, equality: EqualitySpec, sink: SinkSpec) -> list[Diagnostic]:
    flow = FlowSpec(
        "f",
        (InputSpec("orders"),),
        transform=SqlTransform(query, at=AT),
        incremental="auto",
        equality=equality,
        sink=sink,
    )
    frame = spark.createDataFrame([], "id BIGINT, who STRING")
    classify.mark_input("orders", frame).createOrReplaceTempView("orders")
    try:
        classify.check(flow, spark.sql(run_ts.bound(query, recorded=None)), frozenset({"orders"}), {"orders": ""})
    except ConfigurationError as cause:
        return list(cause.diagnostics)
    return []


AT_NOW = EqualitySpec(ignore=("At",))


@pytest.mark.parametrize(
    ("query", "sink"),
    [
        ("SELECT id, now() AS at FROM orders", SinkSpec()),
        ("SELECT id, run_ts() AS at FROM orders", SinkSpec()),
        ("SELECT who, count(*) AS n, current_timestamp() AS at FROM orders GROUP BY who", SinkSpec()),
        ("SELECT id, hour(later) AS at FROM (SELECT id, now() AS later FROM orders)", SinkSpec()),
        ("WITH o AS (SELECT * FROM orders) SELECT id, uuid() AS at FROM o WHERE id > 1", SinkSpec()),
        ("WITH o AS (SELECT id, now() AS at FROM orders) SELECT * FROM o", SinkSpec()),
        (
            "WITH o AS (SELECT id, uuid() AS at FROM orders), p AS (SELECT * FROM o WHERE id > 1) SELECT id, upper(at) AS at FROM p",
            SinkSpec(),
        ),
        ("SELECT id, at FROM (SELECT id, now() AS at FROM orders) WHERE id < 9", SinkSpec()),
        ("SELECT a.id, a.at FROM (SELECT id, now() AS at FROM orders) a JOIN orders b ON a.id = b.id", SinkSpec()),
        ("SELECT id, now() AS at FROM orders UNION ALL SELECT id, now() FROM orders", SinkSpec()),
        ("SELECT who, max(at) AS at FROM (SELECT who, now() AS at FROM orders) GROUP BY who", SinkSpec()),
        ("FROM orders |> EXTEND now() AS at |> WHERE id > 1 |> SELECT id, at", SinkSpec()),
        ("SELECT id, TIMESTAMP'now' AS at FROM orders", SinkSpec()),
        ("SELECT id, CAST('today' AS DATE) AS at FROM orders", SinkSpec()),
        ("SELECT id, who, rand() AS at FROM orders", SinkSpec("merge", keys=("id",), insert_only=True)),
        ("SELECT id, who, rand() AS at FROM orders", SinkSpec("scd2", keys=("id",), track=("who",))),
    ],
)
def test_what_differs_from_run_to_run_may_end_in_a_column_that_is_ignored(
    spark: SparkSession, query: str, sink: SinkSpec
) -> None:
    assert judged(spark, query, AT_NOW, sink) == []
    assert {item.code for item in judged(spark, query, EqualitySpec(), sink)} == {"E262"}


@pytest.mark.parametrize(
    ("query", "sink"),
    [
        ("SELECT id, now() AS at, uuid() AS other FROM orders", SinkSpec()),
        ("SELECT id, now() AS at FROM orders WHERE now() > TIMESTAMP '2024-01-01'", SinkSpec()),
        ("SELECT id + hour(t) AS id, t AS at FROM (SELECT id, now() AS t FROM orders)", SinkSpec()),
        ("SELECT id, run_ts() AS at FROM orders WHERE run_ts() > TIMESTAMP '2024-01-01'", SinkSpec()),
        ("SELECT max(id) AS id, rand() AS at FROM orders GROUP BY rand()", SinkSpec()),
        ("SELECT * FROM (SELECT id, rand() AS at FROM orders) WHERE at > 0.5", SinkSpec()),
        (
            "WITH o AS (SELECT id, uuid() AS at FROM orders) SELECT a.id, a.at FROM o a JOIN o b ON a.at = b.at",
            SinkSpec(),
        ),
        ("SELECT DISTINCT id, now() AS at FROM orders", SinkSpec()),
        ("SELECT id, at, count(*) OVER (PARTITION BY at) AS n FROM (SELECT id, rand() AS at FROM orders)", SinkSpec()),
        ("SELECT id, TIMESTAMP'now' AS at FROM orders WHERE TIMESTAMP'2024-01-01' < TIMESTAMP'now'", SinkSpec()),
        ("SELECT id, TIMESTAMP'2024-01-01' < 'now' AS past FROM orders", SinkSpec()),
        ("SELECT id, CAST(lower('NOW') AS TIMESTAMP) AS later FROM orders", SinkSpec()),
        ("SELECT id, aes_encrypt(who, '0123456789abcdef') AS hidden FROM orders", SinkSpec()),
        ("SELECT id, rand() AS at, who FROM orders", SinkSpec("merge", keys=("id",), insert_only=True)),
        ("SELECT id, who, rand() AS at FROM orders", SinkSpec("scd2", keys=("id",))),
    ],
)
def test_what_reaches_anything_else_is_refused_all_the_same(spark: SparkSession, query: str, sink: SinkSpec) -> None:
    assert {item.code for item in judged(spark, query, AT_NOW, sink)} == {"E262"}


@pytest.mark.parametrize(
    ("query", "function", "place"),
    [
        ("SELECT who, collect_list(id) AS x FROM orders GROUP BY who", "collect_list", (7, 24)),
        ("SELECT who,\n  first(id) AS x FROM orders GROUP BY who", "first", (8, 14)),
        ("SELECT x FROM (SELECT who, any_value(id) AS x FROM orders GROUP BY who) WHERE x > 1", "any_value", (7, 39)),
        ("SELECT who, string_agg(id, ',') AS x FROM orders GROUP BY who", "listagg", (7, 24)),
        ("SELECT who, concat_ws(',', collect_list(id)) AS x FROM orders GROUP BY who", "collect_list", (7, 39)),
        (
            "SELECT who, coalesce(y, 0) AS x FROM (SELECT who, first(id) AS y FROM orders GROUP BY who)",
            "first",
            (7, 62),
        ),
    ],
)
def test_an_aggregate_that_depends_on_the_order_of_rows_is_refused_at_its_place(
    spark: SparkSession, query: str, function: str, place: tuple[int, int]
) -> None:
    (found,) = judged(spark, query, EqualitySpec(), SinkSpec())
    assert (found.code, f"column 'x' is {function} of rows" in found.message) == ("E264", True), found.message
    assert (found.at.line, found.at.column) == place
    assert judged(spark, query, EqualitySpec(unordered=("X",)), SinkSpec()) == []
    assert judged(spark, query, EqualitySpec(ignore=("x",)), SinkSpec()) == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT who, array_sort(collect_list(id)) AS x FROM orders GROUP BY who",
        "SELECT who, sort_array(ids) AS x FROM (SELECT who, collect_set(id) AS ids FROM orders GROUP BY who)",
        "SELECT who, size(collect_list(id)) AS x, max_by(id, id) AS y FROM orders GROUP BY who",
        "SELECT who, listagg(who, ',') WITHIN GROUP (ORDER BY who) AS x FROM orders GROUP BY who",
        "SELECT id, first_value(who) OVER (PARTITION BY who ORDER BY id) AS x FROM orders",
    ],
)
def test_what_is_sorted_or_counted_or_has_an_order_of_its_own_is_taken(spark: SparkSession, query: str) -> None:
    assert judged(spark, query, EqualitySpec(), SinkSpec()) == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "SELECT who, sum(amount) AS x FROM paid GROUP BY who HAVING x > 1",
            "'x', a sum or an average of floats, filters",
        ),
        ("SELECT x FROM (SELECT avg(amount) AS x FROM paid GROUP BY who) GROUP BY x", "groups rows"),
        ("SELECT b.who FROM (SELECT avg(amount) AS x FROM paid) a JOIN paid b ON a.x < b.amount", "joins rows"),
        (
            "SELECT who FROM paid WHERE amount > (SELECT avg(amount) FROM paid)",
            "'avg(amount)', a sum or an average of floats, filters",
        ),
        ("SELECT who FROM paid o WHERE amount > (SELECT avg(amount) FROM paid i WHERE i.who = o.who)", "filters rows"),
        ("SELECT who FROM paid WHERE amount IN (SELECT avg(amount) FROM paid)", "filters rows"),
        (
            "SELECT who FROM (SELECT who, amount, avg(amount) OVER (PARTITION BY who) AS x FROM paid) WHERE amount > x",
            "'x', a sum",
        ),
        (
            "WITH a AS (SELECT who, avg(amount) AS x FROM paid GROUP BY who) SELECT p.who FROM paid p JOIN a ON p.who = a.who WHERE p.amount > a.x",
            "'x', a sum",
        ),
        (
            "SELECT who, sum(amount) AS x FROM paid GROUP BY who ORDER BY x DESC LIMIT 3",
            "decides which rows LIMIT keeps",
        ),
        (
            "FROM paid |> AGGREGATE sum(amount) AS x GROUP BY who |> ORDER BY x |> LIMIT 3",
            "decides which rows LIMIT keeps",
        ),
        (
            "SELECT who, row_number() OVER (ORDER BY sum(amount)) AS r FROM paid GROUP BY who",
            "orders the rows of a window",
        ),
        (
            "SELECT count(*) OVER (PARTITION BY x) AS n FROM (SELECT sum(amount) AS x FROM paid GROUP BY who)",
            "groups rows",
        ),
        ("SELECT who, CASE WHEN sum(amount) > 9 THEN 'much' END AS size FROM paid GROUP BY who", "decides 'size'"),
        ("SELECT DISTINCT x FROM (SELECT sum(amount) AS x FROM paid GROUP BY who)", "tells rows apart"),
        (
            "SELECT count(DISTINCT x) AS n FROM (SELECT sum(amount) AS x FROM paid GROUP BY who)",
            "is counted as one value or as two",
        ),
        (
            "SELECT max_by(who, x) AS best FROM (SELECT who, sum(amount) AS x FROM paid GROUP BY who)",
            "chooses the row of 'best'",
        ),
        ("SELECT who, CAST(sum(amount) AS STRING) AS x FROM paid GROUP BY who", "becomes text in 'x'"),
        (
            "SELECT who FROM (SELECT who, sum(amount) AS x FROM paid GROUP BY who UNION ALL SELECT who, 1D FROM paid) WHERE x > 1",
            "filters rows",
        ),
        (
            "SELECT who FROM (SELECT who, first(amount) AS x FROM paid GROUP BY who) WHERE x > 1",
            "'x', first of rows that have no order, filters",
        ),
        ("SELECT who, sum(amount) AS x FROM paid GROUP BY who ORDER BY x", None),
        ("SELECT who FROM paid GROUP BY who HAVING round(sum(amount), 2) > 1 AND sum(amount) IS NOT NULL", None),
        ("SELECT who, sum(amount) AS x FROM paid GROUP BY who", None),
        ("SELECT who, sum(CAST(amount AS DECIMAL(9, 2))) AS x FROM paid GROUP BY who HAVING x > 1", None),
        ("SELECT who, sum(amount) AS x FROM paid WHERE amount > 1 GROUP BY who HAVING count(*) > 1", None),
    ],
)
def test_where_a_sum_of_floats_decides_about_rows_a_run_warns(
    spark: SparkSession, query: str, words: str | None
) -> None:
    frame = spark.createDataFrame([], "who STRING, amount DOUBLE")
    classify.mark_input("paid", frame).createOrReplaceTempView("paid")
    flow = FlowSpec("f", (InputSpec("paid"),), transform=SqlTransform(query), incremental="full")
    found = classify.check(flow, spark.sql(query), frozenset({"paid"}), {"paid": ""}).warnings
    assert (words is not None) == bool(found), found
    assert any(words in item for item in found) if words else True, found


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        (SinkSpec("merge", keys=("x",), insert_only=True), "is one of sink.keys"),
        (SinkSpec("overwrite", partition_by=("x",)), "is one of sink.partition_by"),
        (SinkSpec("scd2", keys=("who",), sequence_by=("who",)), "makes versions"),
    ],
)
def test_where_it_decides_in_a_sink_a_run_warns_as_well(spark: SparkSession, sink: SinkSpec, words: str) -> None:
    query = "SELECT who, sum(amount) AS x FROM paid GROUP BY who"
    frame = spark.createDataFrame([], "who STRING, amount DOUBLE")
    classify.mark_input("paid", frame).createOrReplaceTempView("paid")
    flow = FlowSpec("f", (InputSpec("paid"),), transform=SqlTransform(query), incremental="full", sink=sink)
    found = classify.check(flow, spark.sql(query), frozenset({"paid"}), {"paid": ""}).warnings
    assert [words in item for item in found] == [True], found


@pytest.mark.parametrize("python", ["datetime.now(UTC)", "date.today()"])
def test_what_python_read_off_the_clock_is_a_constant_that_differs(
    spark: SparkSession, tmp_path: Path, python: str
) -> None:
    file = tmp_path / "transforms.py"
    file.write_text(f"def stamp(orders):\n    return orders.withColumn('at', F.lit({python}))\n", encoding="utf-8")
    flow = FlowSpec("f", (InputSpec("orders"),), transform=PythonTransform("transforms", "stamp", str(file)))
    frame = classify.mark_input("orders", spark.createDataFrame([], "id BIGINT, who STRING"))
    read = datetime.now(UTC) if "now" in python else datetime.now(UTC).date()
    with pytest.raises(ConfigurationError) as raised:
        classify.check(flow, frame.withColumn("at", F.lit(read)), frozenset({"orders"}), {"orders": ""})
    assert [item.code for item in raised.value.diagnostics] == ["E262"]
    fixed = frame.withColumn("at", F.lit(datetime(2024, 1, 1, tzinfo=UTC)))
    assert classify.check(flow, fixed, frozenset({"orders"}), {"orders": ""}).kind == "rows"


@pytest.mark.parametrize(
    "query",
    [
        "FROM orders |> WHERE id > 1 |> SELECT id, who",
        "FROM orders |> AS o |> EXTEND id + 1 AS n |> SET n = n * 2 |> DROP who",
        "SELECT id, e.* FROM orders, LATERAL explode(array(id, 2)) AS e",
        "SELECT /*+ REPARTITION(3) */ id FROM orders",
    ],
)
def test_rows_are_rows_however_the_query_is_written(spark: SparkSession, query: str) -> None:
    frame = spark.createDataFrame([], "id BIGINT, who STRING")
    classify.mark_input("orders", frame).createOrReplaceTempView("orders")
    flow = FlowSpec("f", (InputSpec("orders"),), transform=SqlTransform(query), incremental="rows")
    assert classify.check(flow, spark.sql(query), frozenset({"orders"}), {"orders": ""}).kind == "rows"


def said(spark: SparkSession, query: str, equality: EqualitySpec | None = None) -> tuple[str, ...]:
    frame = spark.createDataFrame([], "id BIGINT, who STRING")
    classify.mark_input("orders", frame).createOrReplaceTempView("orders")
    equality = equality or EqualitySpec()
    flow = FlowSpec("f", (InputSpec("orders"),), transform=SqlTransform(query), incremental="full", equality=equality)
    return classify.check(flow, spark.sql(query), frozenset({"orders"}), {"orders": ""}).warnings


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM orders LIMIT 3", "LIMIT without ORDER BY"),
        ("SELECT who, n FROM (SELECT who, count(*) AS n FROM orders GROUP BY who LIMIT 3) ORDER BY n", "LIMIT without"),
        ("SELECT id, who FROM orders SORT BY id LIMIT 3", "LIMIT without ORDER BY"),
        ("SELECT id, who FROM orders ORDER BY id LIMIT 3 OFFSET 2", None),
        ("SELECT who FROM orders ORDER BY id LIMIT 3", None),
        ("SELECT mode(who) AS x FROM orders", "mode() takes any"),
        ("SELECT mode() WITHIN GROUP (ORDER BY who DESC) AS x, mode(who, true) AS y FROM orders", None),
        ("SELECT percentile_approx(id, 0.5) AS x FROM orders", "percentile_approx() of many rows"),
        ("SELECT percentile(id, 0.5) AS x FROM orders", None),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT id, n FROM orders JOIN r ON id = n", None),
    ],
)  # fmt: skip
def test_where_a_plan_takes_any_of_several_a_run_warns(spark: SparkSession, query: str, words: str | None) -> None:
    found = said(spark, query)
    assert [words in item for item in found] == [True] if words else found == ()
    if " AS x" in query:
        assert said(spark, query, EqualitySpec(unordered=("x",))) == ()


@pytest.mark.parametrize("sample", ["TABLESAMPLE (10 PERCENT)", "TABLESAMPLE (10 PERCENT) REPEATABLE (3)"])
def test_a_sample_is_refused_at_its_place(spark: SparkSession, sample: str) -> None:
    (found,) = judged(spark, f"SELECT id,\n who FROM orders {sample}", EqualitySpec(), SinkSpec())
    assert (found.code, found.at.line, found.at.column) == ("E262", 8, 29), found
    assert "takes a sample" in found.message
    assert "xxhash64" in found.hint
