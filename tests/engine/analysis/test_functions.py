"""Every function of Spark's registry, tried over two orders of the same rows: what its value depends on, and what a flow is told of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl.config.spec import FlowSpec, InputSpec, SqlTransform
from etl.config.sql.volatile import BARE, DRAWN, found_in
from etl.engine.analysis import classify
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.diagnostics import Diagnostic

KINDS = ("rows", "aggregate", "window", "table", "E262", "E264", "warned", "none")
COLUMNS = """id, id % 60 AS g, CAST(id % 23 AS INT) AS i, id * 7919 AS x, (id % 97 + 1) / 98D AS d, CAST(id % 89 AS FLOAT) AS f,
    CAST(id % 1000 / 7 AS DECIMAL(9, 2)) AS n, concat('a b', id % 50) AS s, 'https://host/p?q=1' AS u,
    CAST(concat('bytes', id % 40) AS BINARY) AS b, id % 3 = 0 AS ok, date_add(DATE'2020-01-01', CAST(id % 999 AS INT)) AS dt,
    timestamp_seconds(id * 3601) AS ts, CAST(timestamp_seconds(id * 3601) AS TIMESTAMP_NTZ) AS nt,
    array(CAST(id % 5 AS INT), 3, 1) AS a, map('k', CAST(id % 5 AS INT)) AS m, named_struct('p', CAST(id % 5 AS INT), 'q', 'z') AS st,
    concat('{"p": ', id % 5, '}') AS j, '<r><p>1</p></r>' AS y, '1,abc' AS c, array(CAST(id % 5 AS FLOAT), 0.1F) AS fl"""
SKETCHES = """kll_sketch_agg_bigint(x) AS kl, kll_sketch_agg_double(d) AS kd, kll_sketch_agg_float(f) AS kf, hll_sketch_agg(x) AS hl,
    theta_sketch_agg(x) AS th, tuple_sketch_agg_double(x, d) AS td, tuple_sketch_agg_integer(x, i) AS ti, approx_top_k_accumulate(x) AS top"""
ROWS, GIVEN = 6000, 40  # of the table; of those that are given to functions of one row


@dataclass(frozen=True)
class Function:
    """A line of the table: a function, how it is called, what its value depends on."""

    name: str
    kind: str
    expression: str
    why: str


def table() -> Iterator[Function]:
    for line in Path(__file__).with_name("functions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, expression, names, *why = line.split("\t")
            for written in names.split():
                name = written.strip("()") or written
                yield Function(name, kind, expression.replace("{f}", name), " ".join(why))


TABLE = tuple(table())


@pytest.mark.spark
def test_every_function_of_sparks_is_in_the_table_and_no_other(spark: SparkSession) -> None:
    registered = {row[0] for row in spark.sql("SHOW ALL FUNCTIONS").collect()}
    named = {item.name for item in TABLE}
    assert named == registered, "try what is new, and write down what its value depends on"
    assert {item.kind for item in TABLE} == set(KINDS)
    assert all(item.why for item in TABLE if item.kind in ("E262", "none"))


@pytest.fixture(scope="module")
def rows(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    """The rows, with sketches of their groups, written down, since a sketch may be another the next time."""
    spark.conf.set("spark.sql.timeType.enabled", "true")
    spark.sql(f"SELECT {COLUMNS} FROM range(0, {ROWS}, 1, 2)").createOrReplaceTempView("made")
    spark.sql(f"SELECT g, {SKETCHES} FROM made GROUP BY g").createOrReplaceTempView("sketched")
    path = str(tmp_path_factory.mktemp("rows"))
    spark.sql("SELECT * FROM made JOIN sketched USING (g)").write.mode("overwrite").parquet(path)
    return spark.read.parquet(path).selectExpr("*", "TIME'12:30:05' AS tm")


def near(one: Any, other: Any) -> bool:
    """Whether two values are equal as the product compares them: floats within a relative 1e-9."""
    if isinstance(one, float) and isinstance(other, float):
        both = math.isnan(one) and math.isnan(other)
        return both or one == other or abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(near, one, other))
    return bool(one == other)


def values(frame: DataFrame, functions: list[Function], *, of_rows: bool) -> list[Any]:
    """The value of each function: of functions of rows one for each row, in the order of `id`."""
    columns = [f"{item.expression} AS z{index}" for index, item in enumerate(functions)]
    if not of_rows:
        (found,) = frame.selectExpr(*columns).collect()
        return list(found)
    got = sorted(frame.selectExpr("id", *columns).collect(), key=lambda row: int(row[0]))
    return [[row[index + 1] for row in got] for index in range(len(functions))]


@pytest.mark.spark
def test_what_is_said_to_be_a_function_of_its_rows_is_one_and_what_is_not_differs(
    rows: DataFrame, tell: Callable[[str], None]
) -> None:
    forward, backward = rows.orderBy("id").coalesce(1), rows.repartition(5, "d").sortWithinPartitions(rows.x.desc())
    tried, wrong = 0, []
    for kind in ("rows", "window", "aggregate", "E264"):
        functions = [item for item in TABLE if item.kind == kind and item.why != "of GROUPING SETS alone"]
        few = [frame.filter(f"id < {GIVEN}") if kind == "rows" else frame for frame in (forward, backward)]
        for start in range(0, len(functions), 60):
            part = functions[start : start + 60]
            one, other = (values(frame, part, of_rows=kind in ("rows", "window")) for frame in few)
            same = [near(this, that) for this, that in zip(one, other, strict=True)]
            wrong += [item.name for item, equal in zip(part, same, strict=True) if equal == (kind == "E264")]
            tried += len(part)
    assert wrong == [], "what is right in the table is measured, never guessed"
    tell(f"{tried} functions over two orders of {ROWS} rows: each depends on what the table says")


def told(spark: SparkSession, query: str) -> tuple[list[Diagnostic], tuple[str, ...]]:
    """What a flow with that query is refused for, or warned of."""
    flow = FlowSpec("f", (InputSpec("t"),), transform=SqlTransform(query), incremental="full")
    try:
        return [], classify.check(flow, spark.sql(query), frozenset({"t"}), {"t": ""}).warnings
    except ConfigurationError as cause:
        return list(cause.diagnostics), ()


@pytest.mark.spark
def test_a_flow_is_told_of_each_function_what_the_table_says(rows: DataFrame, tell: Callable[[str], None]) -> None:
    spark = rows.sparkSession
    classify.mark_input("t", spark.createDataFrame([], rows.schema)).createOrReplaceTempView("t")
    of = {kind: [item for item in TABLE if item.kind == kind and "GROUPING SETS" not in item.why] for kind in KINDS}
    for kind in ("rows", "aggregate", "window"):
        columns = ", ".join(f"{item.expression} AS z{index}" for index, item in enumerate(of[kind]))
        assert told(spark, f"SELECT {columns} FROM t") == ([], ()), "nothing is refused that is a function of its rows"
    for item in of["table"]:
        assert told(spark, f"SELECT e.* FROM t, LATERAL {item.expression} AS e") == ([], ()), item
    columns = ", ".join(f"{item.expression} AS {item.name}" for item in of["E264"])
    refused, _ = told(spark, f"SELECT {columns} FROM t")
    assert [item.code for item in refused] == ["E264"] * len(of["E264"])
    assert all(f"'{item.name}'" in found.message for item, found in zip(of["E264"], refused, strict=True))
    for item in of["E262"]:
        query = f"SELECT {item.expression} AS z FROM t"
        assert [found.code for found in told(spark, query)[0]] == ["E262"], item
        assert [offset for _, offset in found_in(query)] == [len("SELECT ")], "validate finds what needs no Spark"
    assert {item.name for item in of["E262"]} == {*BARE, *DRAWN, "aes_encrypt"}, "validate knows what the table says"
    for item in of["warned"]:
        refused, warned = told(spark, f"SELECT {item.expression} AS z FROM t")
        assert (refused, len(warned)) == ([], 1), item
    counted = ", ".join(f"{len(items)} {kind}" for kind, items in of.items())
    tell(f"what a flow is told of {sum(map(len, of.values()))} functions: {counted}; none wrong")
