"""Which keys of a state flow's merge leave out what its transform groups by."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from etl.config.spec import FlowSpec, InputSpec, SinkSpec, StateSpec
from etl.engine.analysis import classify

pytestmark = pytest.mark.spark

W = "window(at, '10 minutes')"
NAMED = [
    f"SELECT {W}.start AS at, who, count(*) AS n FROM a GROUP BY {W}, who",
    f"SELECT {W}.end - INTERVAL 10 MINUTES AS at, upper(who) AS who, count(*) AS n FROM a GROUP BY {W}, upper(who)",
    f"WITH c AS (SELECT {W} AS w, who, count(*) AS n FROM a GROUP BY ALL), d AS (SELECT w.start AS at, who, n FROM c) SELECT d.* FROM d WHERE n > 1",
    f"SELECT c.at, c.who, s.name FROM (SELECT {W}.start AS at, who FROM a GROUP BY {W}, who) c LEFT JOIN s ON c.who = s.who",
    "SELECT DISTINCT at, who FROM a",
    "SELECT who, session_window(at, '5 minutes').start AS at, count(*) AS n FROM a GROUP BY who, session_window(at, '5 minutes')",
    f"SELECT {W}.start AS at, who, count(*) AS n FROM a JOIN s USING (who) GROUP BY {W}, who, 'x'",
    "SELECT at, who, n FROM a",
]
LEFT_OUT = [
    (f"SELECT {W}.start AS at, 'x' AS who, count(*) AS n FROM a GROUP BY {W}, who", "'who'"),
    (f"SELECT {W}.start AS at, who, n, count(*) AS c FROM a GROUP BY {W}, who, n", "'n'"),
    (f"SELECT max(at) AS at, who FROM a GROUP BY {W}, who", "'window'"),
    (f"SELECT {W}.start AS at, who FROM a GROUP BY {W}, who, concat(n, name)", "'n, name'"),
    (
        f"WITH c AS (SELECT {W} AS w, a.who, s.name, n FROM a JOIN s ON a.who = s.who GROUP BY ALL) SELECT w.start AS at, who, name FROM c",
        "'name', 'n'",
    ),
    ("SELECT DISTINCT at, who, n FROM a", "'n'"),
]


def said(spark: SparkSession, query: str, *, strategy: str = "merge") -> tuple[str, ...]:
    session = spark.newSession()
    frames: dict[str, DataFrame] = {
        "a": session.createDataFrame([], "at TIMESTAMP, who STRING, n INT, name STRING").withWatermark("at", "1 hour"),
        "s": session.createDataFrame([], "who STRING, name STRING"),
    }
    for name, frame in frames.items():
        classify.mark_input(name, frame).createOrReplaceTempView(name)
    keys = ("at", "WHO") if strategy == "merge" else ()
    flow = FlowSpec(
        "f",
        (InputSpec("a"), InputSpec("s", "snapshot")),
        incremental="state",
        state=StateSpec((), "append"),
        sink=SinkSpec(strategy=strategy, keys=keys),  # type: ignore[arg-type]  # a text of the test's own
    )
    return classify.check(flow, session.sql(query), frozenset({"a"}), {}).warnings


@pytest.mark.parametrize("query", NAMED)
def test_nothing_is_said_of_keys_that_name_every_group(spark: SparkSession, query: str) -> None:
    assert said(spark, query) == ()


@pytest.mark.parametrize(("query", "names"), LEFT_OUT)
def test_groups_that_the_keys_leave_out_are_named(spark: SparkSession, query: str, names: str) -> None:
    (warning,) = said(spark, query)
    assert f"its transform groups by {names}, which sink.keys do not name" in warning
    assert said(spark, query, strategy="append") == ()
