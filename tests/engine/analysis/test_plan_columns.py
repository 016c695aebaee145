"""That the columns which a plan's operators have, as read from Spark's JSON, are those that Spark itself tells."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from etl.engine.analysis.lineage import output_columns
from etl.engine.session.analysed_plan import analysed_plan

pytestmark = pytest.mark.spark

QUERIES = [
    "FROM a |> JOIN LATERAL (SELECT a.v * 2 AS z)",
    "FROM a |> LEFT JOIN LATERAL (SELECT w FROM b WHERE b.k = a.k)",
    "FROM a |> LEFT JOIN b USING (k)",
    "FROM a |> LEFT JOIN b ON a.k = b.k",
    "FROM a |> LEFT SEMI JOIN b ON a.k = b.k",
    "FROM a |> LEFT ANTI JOIN b ON a.k = b.k",
    "FROM a LATERAL VIEW explode(arr) e AS x |> WHERE x > 1",
    "FROM a |> UNION ALL TABLE a",
    "FROM a |> PIVOT (max(t) FOR k IN ('x', 'y'))",
    "FROM b |> UNPIVOT (val FOR name IN (w))",
    "FROM a |> AGGREGATE sum(v) AS s GROUP BY k |> WHERE s > 1",
    "FROM a |> EXTEND row_number() OVER (PARTITION BY k ORDER BY v) AS r |> WHERE r = 1",
    "FROM a |> ORDER BY k |> LIMIT 3",
    "WITH x AS (SELECT k FROM a), y AS (SELECT * FROM x) SELECT y.k AS yk, x.k FROM y JOIN x USING (k)",
    "SELECT k FROM a EXCEPT SELECT k FROM b",
    "SELECT k, posexplode(arr) FROM a",
    "TABLE a",
    "VALUES (1), (2)",
]


@pytest.mark.parametrize("query", QUERIES)
def test_an_operator_s_columns_are_known(spark: SparkSession, query: str) -> None:
    session = spark.newSession()
    session.createDataFrame([], "k STRING, t TIMESTAMP, v INT, arr ARRAY<INT>").createOrReplaceTempView("a")
    session.createDataFrame([], "k STRING, w INT").createOrReplaceTempView("b")
    frame = session.sql(query)
    assert [name for _, name in output_columns(analysed_plan(frame))] == frame.columns
