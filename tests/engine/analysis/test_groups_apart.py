"""What Spark's analysed plan must show before a flow is computed group by group."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from pyspark.sql import DataFrame, SparkSession

from etl.config.spec import FlowSpec, GroupSpec, InputSpec
from etl.engine.analysis import classify, groups
from etl.errors import ConfigurationError

HOUR = "date_trunc('HOUR', t)"
GROUPS = (GroupSpec("k", (("a", "k"), ("b", "key"))), GroupSpec("h", (("a", HOUR), ("b", "h"))))
FLOW = FlowSpec("f", (InputSpec("a"), InputSpec("b"), InputSpec("s", "snapshot")), incremental="groups", groups=GROUPS)
APART = [
    f"SELECT k, {HOUR} AS h, sum(v) AS total FROM a GROUP BY k, {HOUR}",
    f"SELECT k, {HOUR} AS h, v FROM a WHERE v > 1",
    "WITH x AS (SELECT k, date_trunc('HOUR', t) AS hour, v FROM a) SELECT k, hour AS h, max(v) AS m FROM x GROUP BY hour, k HAVING count(*) > 1",
    f"SELECT * FROM (SELECT k, {HOUR} AS h, v, row_number() OVER (PARTITION BY k, {HOUR} ORDER BY v) AS n FROM a) WHERE n < 3",
    f"SELECT k, {HOUR} AS h, count(DISTINCT v) AS n, s.name FROM a LEFT JOIN s ON a.v = s.id GROUP BY k, {HOUR}, s.name",
    f"SELECT DISTINCT k, {HOUR} AS h FROM a",
    f"SELECT k, {HOUR} AS h FROM a UNION ALL SELECT key, h FROM b",
    "SELECT b.key AS k, b.h, sum(a.v) AS total FROM a JOIN b ON a.k = b.key AND date_trunc('HOUR', a.t) = b.h GROUP BY b.key, b.h",
    f"SELECT coalesce(x.k, b.key) AS k, coalesce(x.h, b.h) AS h, w FROM (SELECT k, {HOUR} AS h FROM a) x FULL OUTER JOIN b ON x.k = b.key AND x.h = b.h",
    f"SELECT coalesce(b.key, x.k) AS k, coalesce(b.h, x.h) AS h FROM (SELECT k, {HOUR} AS h FROM a) x LEFT JOIN b ON x.k = b.key AND x.h = b.h",
    f"SELECT k, {HOUR} AS h, v FROM a WHERE EXISTS (SELECT 1 FROM s WHERE s.id = a.v)",
    "SELECT x.k, date_trunc('HOUR', x.t) AS h FROM a x JOIN a y ON x.k = y.k AND date_trunc('HOUR', x.t) = date_trunc('HOUR', y.t)",
]
MIXED = [
    ("SELECT k, sum(v) AS h FROM a GROUP BY k", "an aggregate over rows of several groups: 'h'"),
    (f"SELECT k, {HOUR} AS h, sum(v) OVER (PARTITION BY k) AS n FROM a", "a window over rows of several groups: 'h'"),
    (f"SELECT k, {HOUR} AS h, v FROM a ORDER BY v LIMIT 3", "a limit"),
    (f"SELECT k, {HOUR} AS h, v - (SELECT avg(v) FROM a) AS d FROM a", "a subquery over a changes input"),
    (f"SELECT k, {HOUR} AS h, v FROM a WHERE v IN (SELECT w FROM b)", "a subquery over a changes input"),
    (
        f"SELECT a.k, {HOUR} AS h FROM a JOIN b ON a.k = b.key",
        "a join of changes inputs that does not equate their 'h'",
    ),
    ("SELECT upper(k) AS k, date_trunc('HOUR', t) AS h FROM a", "a column 'k' that is not what the group 'k' is"),
    (f"SELECT k, {HOUR} AS h, count(*) AS n FROM a GROUP BY CUBE (k, {HOUR})", "grouping sets"),
    (f"SELECT s.name AS k, {HOUR} AS h FROM s LEFT JOIN a ON a.v = s.id", "keeps rows of a snapshot"),
    (
        f"SELECT a.k, b.h FROM a LEFT JOIN b ON a.k = b.key AND {HOUR} = b.h",
        "a column 'h' that is not what the group 'h' is",
    ),
    (  # neither of the two is there for each row
        (
            "SELECT coalesce(y.k, b.key) AS k, coalesce(y.t, b.h) AS h FROM a z LEFT JOIN (SELECT k, date_trunc('HOUR', t) AS t FROM a) y"
            " ON y.k = z.k AND y.t = date_trunc('HOUR', z.t) LEFT JOIN b ON z.k = b.key AND date_trunc('HOUR', z.t) = b.h"
        ),
        "a column 'k' that is not what the group 'k' is",
    ),
    ("SELECT name AS k, id AS h FROM s", "no read of its changes inputs"),
]


def judge(spark: SparkSession, query: str) -> None:
    session = spark.newSession()
    frames: dict[str, DataFrame] = {
        "a": session.createDataFrame([], "k STRING, t TIMESTAMP, v INT"),
        "b": session.createDataFrame([], "key STRING, h TIMESTAMP, w INT"),
        "s": session.createDataFrame([], "id INT, name STRING"),
    }
    for name, frame in frames.items():
        mark = classify.mark_input(name, frame) if name == "s" else groups.mark_groups(name, frame, GROUPS)
        mark.createOrReplaceTempView(name)
    classify.check(FLOW, session.sql(query), frozenset({"a", "b"}), {})


@pytest.mark.parametrize("query", APART)
def test_a_plan_that_keeps_groups_apart_is_taken(spark: SparkSession, query: str) -> None:
    judge(spark, query)


@pytest.mark.parametrize(("query", "words"), MIXED)
def test_a_plan_that_mixes_groups_is_refused_and_its_operator_named(
    spark: SparkSession, query: str, words: str
) -> None:
    with pytest.raises(ConfigurationError) as told:
        judge(spark, query)
    assert [item.code for item in told.value.diagnostics] == ["E263"]
    assert words in str(told.value)


@pytest.mark.parametrize(("by", "apart"), [("s.a", True), ("s.b", False), ("l[1].a", False), ("m['x']", False)])
def test_two_fields_of_one_column_are_two_values(spark: SparkSession, by: str, apart: bool) -> None:
    session = spark.newSession()
    by_k = (GroupSpec("k", (("a", "s.a"),)),)
    frame = session.createDataFrame(
        [], "s STRUCT<a: STRING, b: STRING>, l ARRAY<STRUCT<a: STRING>>, m MAP<STRING, STRING>, v INT"
    )
    groups.mark_groups("a", frame, by_k).createOrReplaceTempView("a")
    flow = FlowSpec("f", (InputSpec("a"),), incremental="groups", groups=by_k)
    query = f"SELECT s.a AS k, sum(v) OVER (PARTITION BY {by}) AS t FROM a"
    refused = (
        nullcontext() if apart else pytest.raises(ConfigurationError, match="a window over rows of several groups")
    )
    with refused:
        classify.check(flow, session.sql(query), frozenset({"a"}), {})
