"""What only Spark reads is shown by Spark, and what both read is shown alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

import etl
from etl.config.load import load
from etl.errors import ConfigurationError
from etl.operations import show as shown
from etl.operations.show import ShowRequest

Write = Callable[[Mapping[str, str]], Path]
PIPELINE = """
version: 1
name: shop
sources:
  orders: {format: csv, path: landing, schema: "id INT, email STRING, price DECIMAL(18, 2)"}
  typed: {format: delta, path: outside/typed}
flows:
  clean:
    inputs: {orders: changes}
    transform: {sql: "SELECT id, email, price FROM orders"}
    columns: {email: {sensitive: true}}
  copy: {inputs: {typed: changes}, transform: {sql: "SELECT * FROM typed"}}
"""
TYPED = """
    SELECT CAST(-128 AS TINYINT) AS a, CAST(1.5 AS FLOAT) AS b, double('NaN') AS c, double('-Infinity') AS d, -0.0D AS e,
           CAST('12345678901234567890123456789012345678' AS DECIMAL(38, 0)) AS f, CAST(2 AS DECIMAL(10, 2)) AS g, X'ff00' AS h,
           DATE'0001-01-01' AS i, DATE'9999-12-31' AS j, TIMESTAMP'0001-01-01 00:00:00Z' AS k, TIMESTAMP'9999-12-31 23:59:59.999999Z' AS l,
           TIMESTAMP_NTZ'2024-10-27 02:30:00.12' AS m, TIMESTAMP'2024-06-01 00:00:00Z' AS n, array(1, NULL) AS o, map('k', 1.5BD) AS p,
           named_struct('x', array(named_struct('Y', 1.50BD)), 'at', TIMESTAMP'2020-01-01 00:00:00.5Z') AS q, '' AS r, true AS s, 9223372036854775807 AS t
    UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
"""


@pytest.fixture
def shop(project: Write) -> Path:
    return project(
        {"pipelines/shop.yml": PIPELINE, "landing/1.csv": "1,a@example.org,1.50\nbroken,b,2\n3,,12345678901234.5\n"}
    )


def look(name: str, **more: Any) -> Any:
    return shown.show(load("shop"), ShowRequest(name, **more))


def test_files_are_shown_as_their_source_parses_them(spark: SparkSession, shop: Path) -> None:
    excerpt = look("orders")
    assert [(column.name, column.type) for column in excerpt.columns] == [
        ("id", "int"),
        ("email", "string"),
        ("price", "decimal(18,2)"),
    ]
    assert excerpt.document()["rows"] == [[1, "a@example.org", "1.50"], [3, None, "12345678901234.50"]]
    assert (excerpt.version, excerpt.is_whole) == (None, True)
    assert excerpt.notes == ("read by Spark: it is a source of format csv",)
    assert look("orders", limit=1).summary == "the first row"
    assert look("orders", sql="SELECT id AS n, id + 1 AS n FROM orders WHERE id = 3").rows == ((3, 4),)
    with pytest.raises(ConfigurationError, match=r"E300\].*UNRESOLVED_COLUMN"):
        look("orders", sql="SELECT nope FROM orders")
    assert not spark.catalog.tableExists("orders"), "the session of the user's was left as it was"
    assert etl.load("shop").read("orders").to_arrow().num_rows == 2


def test_both_readers_show_the_same_values_of_every_type(
    spark: SparkSession, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    session.sql(TYPED).write.format("delta").save(str(shop / "outside/typed"))
    by_delta_rs = look("typed")
    assert by_delta_rs.notes == ()
    monkeypatch.setattr(shown, "_opened", lambda *_: (None, "it is asked to"))
    by_spark = look("typed")
    assert by_spark.notes == ("read by Spark: it is asked to",)
    assert by_delta_rs.document() | {"notes": []} == by_spark.document() | {"notes": []}
    assert str(by_delta_rs.rows) == str(by_spark.rows)  # -0.0 equals 0.0
    # Not one of the two is the witness: what pyarrow reads of it is.
    stored = pa.table(DeltaTable(shop / "outside/typed").to_pyarrow_table()).to_pylist()[0]
    values = dict(zip((column.name for column in by_spark.columns), by_spark.rows[0], strict=True))
    assert values["f"] == stored["f"]
    assert values["l"] == "9999-12-31T23:59:59.999999Z"
    assert stored["l"].isoformat() == "9999-12-31T23:59:59.999999+00:00"
    assert values["q"] == {"x": [{"Y": stored["q"]["x"][0]["Y"]}], "at": "2020-01-01T00:00:00.5Z"}


def test_a_table_that_delta_rs_would_read_wrong_is_read_by_spark(spark: SparkSession, shop: Path) -> None:
    session = spark.newSession()
    session.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    session.conf.set("spark.sql.session.timeZone", "UTC")
    far = session.sql("SELECT TIMESTAMP'9999-12-31 00:00:00Z' AS at")
    far.write.format("delta").save(str(shop / "outside/typed"))
    excerpt = look("typed")
    assert (excerpt.rows, excerpt.version) == ((("9999-12-31T00:00:00Z",),), 0)
    assert excerpt.notes == ("read by Spark: it has timestamps as INT96",)
    session.sql("SELECT parse_json('{\"a\": [1, 1.5]}') AS v").write.format("delta").mode("overwrite").option(
        "overwriteSchema", "true"
    ).save(str(shop / "outside/typed"))
    excerpt = look("typed")
    assert (excerpt.rows, excerpt.version) == ((({"a": [1, 1.5]},),), 1)
    assert excerpt.notes == ("read by Spark: it has a VARIANT",)
    assert look("typed", version=0).rows == (("9999-12-31T00:00:00Z",),)


def test_a_run_of_ours_is_shown_without_spark(spark: SparkSession, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "landing/1.csv").write_text("1,a@example.org,1.50\n", encoding="utf-8")
    assert etl.load("shop").run(mode="batch", select=["clean"]).status == "succeeded"
    monkeypatch.setattr(shown, "Sessions", None)
    excerpt = look("clean")
    assert excerpt.document()["rows"] == [[1, "***", "1.50"]]
