"""`etl show` and `p.read(…)` over tables that are there: what is shown is what pyarrow wrote, and nothing starts a JVM."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from deltalake import DeltaTable, write_deltalake

import etl
from etl.cli import main
from etl.config.load import load
from etl.errors import ConfigurationError, RunError
from etl.operations import show as shown
from etl.operations.show import ShowRequest

Write = Callable[[Mapping[str, str]], Path]
PIPELINE = """
version: 1
name: shop
sources:
  orders: {format: csv, path: landing, schema: "id INT, email STRING, price DECIMAL(18, 2)"}
  rates: {format: delta, path: outside/rates}
flows:
  clean:
    inputs: {orders: changes}
    transform: {sql: "SELECT * FROM orders"}
    columns: {email: {sensitive: true}}
  seen: {inputs: [clean], sink: {strategy: view}}
  read: {inputs: {seen: changes, rates: snapshot}, transform: {sql: "SELECT s.* FROM seen s CROSS JOIN rates r"}}
"""
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int32()),
        "email": pa.array(["a@example.org", None, "c@example.org"]),
        "price": pa.array([Decimal("12345678901234.50"), Decimal("2.00"), None], pa.decimal128(18, 2)),
    }
)


@pytest.fixture
def shop(project: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = project({"pipelines/shop.yml": PIPELINE, "landing/1.csv": "1,a,1.00\n"})
    write_deltalake(root / ".etl/local/tables/shop/clean", ROWS)
    monkeypatch.setattr(shown, "Sessions", None)  # whoever opens a session here has lost
    return root


def look(name: str, **more: Any) -> Any:
    return shown.show(load("shop"), ShowRequest(name, **more))


def test_the_first_rows_of_a_target_are_shown_and_sensitive_values_are_not(shop: Path) -> None:
    excerpt = look("clean", limit=2)
    assert [(column.name, column.type) for column in excerpt.columns] == [
        ("id", "int"),
        ("email", "string"),
        ("price", "decimal(18,2)"),
    ]
    assert excerpt.rows == ((1, "***", Decimal("12345678901234.50")), (2, None, Decimal("2.00")))
    assert (excerpt.is_whole, excerpt.version, excerpt.summary) == (False, 0, "the first 2 rows of version 0")
    assert look("clean", limit=3).summary == "3 rows of version 0"
    assert look("clean", limit=0).rows == ()
    assert "a@example.org" not in repr(excerpt) + excerpt._repr_html_()


def test_a_query_never_sees_a_sensitive_value(shop: Path) -> None:
    query = "SELECT upper(email) AS e, length(email) AS n FROM clean WHERE email LIKE '%' ORDER BY id"
    assert look("clean", sql=query).rows == (("***", 3), ("***", 3))
    assert look("clean", sql="SELECT count(*) FROM clean WHERE email = 'a@example.org'").rows == ((0,),)


def test_names_mean_their_column_in_whatever_letters(shop: Path) -> None:
    table = pa.table({"Id": [1, 2], "Some Name": ["x", "y"]})
    write_deltalake(shop / "outside/rates", table)
    for sql in ("SELECT ID, id + 1 AS Next FROM rates", 'SELECT "id" AS iD, Id + 1 AS Next FROM Rates'):
        excerpt = look("rates", sql=sql)
        assert [column.name for column in excerpt.columns] == ["Id", "next"]
        assert excerpt.rows == ((1, 2), (2, 3))
    assert [column.name for column in look("rates").columns] == ["Id", "Some Name"]
    assert look("rates", sql='SELECT max("some name") AS m FROM rates').rows == (("y",),)


def test_a_version_is_shown_as_it_was(shop: Path) -> None:
    write_deltalake(shop / ".etl/local/tables/shop/clean", ROWS.slice(0, 1), mode="append")
    assert len(look("clean").rows) == 4
    assert len(look("clean", version=0).rows) == 3
    with pytest.raises(ConfigurationError, match=r"(?s)E250\] there is no version 2 of 'clean'.*the newest is 1"):
        look("clean", version=2)
    with pytest.raises(ConfigurationError, match="E250"):
        look("orders", version=0)


@pytest.mark.parametrize(
    ("name", "more", "error", "message"),
    [
        ("claen", {}, ConfigurationError, "did you mean 'clean'"),
        ("seen", {}, ConfigurationError, "show a flow that reads it: read"),
        ("rates", {}, RunError, "there is no Delta table"),
        ("read", {}, RunError, "has written nothing yet"),
        ("clean", {"quarantine": True}, RunError, "has quarantined nothing"),
        ("orders", {"quarantine": True}, ConfigurationError, "only flows have a quarantine"),
        ("clean", {"sql": "SELECT nope FROM clean"}, ConfigurationError, "No field named nope"),
        ("clean", {"sql": "SELECT * FROM other"}, ConfigurationError, "other"),
        ("clean", {"sql": "SELECT 1 FROM"}, ConfigurationError, "E300"),
        ("clean", {"sql": "SELECT 1; SELECT 2"}, ConfigurationError, "E300"),
        ("clean", {"sql": "SELECT 1 / (id - 1) FROM clean"}, RunError, "(?i)divide by zero"),
    ],
)
def test_what_cannot_be_shown_is_said(
    shop: Path, name: str, more: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        look(name, **more)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO clean SELECT * FROM clean",
        "COPY (SELECT 1) TO 'taken.csv'",
        "/* SELECT */ CREATE TABLE t AS SELECT 1",
        "-- SELECT\nDROP VIEW clean",
        "SET x = 1",
        "",
    ],
)
def test_nothing_but_a_query_is_run(shop: Path, statement: str) -> None:
    before = sorted(str(path) for path in shop.rglob("*"))
    with pytest.raises(ConfigurationError, match=r"E301\] --sql is not one query"):
        look("clean", sql=statement)
    assert sorted(str(path) for path in shop.rglob("*")) == before
    for query in ("SELECT 1", " \n( select 1 )", "-- why\nWITH a AS (SELECT 1) SELECT * FROM a", "/* x */ VALUES (1)"):
        assert len(look("clean", sql=query).rows) == 1


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT 7 / 2", ((3,),)),
        ("SELECT a[1] FROM (SELECT make_array('x', 'y') AS a)", (("x",),)),
        ("SELECT email IS NULL FROM clean ORDER BY email", ((False,), (False,), (True,))),
    ],
)
def test_the_points_that_the_documentation_names_are_those_of_datafusion(
    shop: Path, query: str, rows: tuple[Any, ...]
) -> None:
    assert look("clean", sql=query).rows == rows


INSTANT = dt.datetime(2024, 10, 27, 0, 30, 0, 120, tzinfo=dt.UTC)
EXTREMES = [
    (pa.int8(), -128, "tinyint", -128),
    (pa.int64(), -(2**63), "bigint", -(2**63)),
    (pa.float32(), 0.5, "float", 0.5),
    (pa.float64(), float("nan"), "double", "NaN"),
    (pa.float64(), float("-inf"), "double", "-Infinity"),
    (pa.float64(), -0.0, "double", -0.0),
    (pa.decimal128(38, 2), Decimal("9" * 36 + ".99"), "decimal(38,2)", "9" * 36 + ".99"),
    (pa.decimal128(15, 2), Decimal("1234567890123.40"), "decimal(15,2)", 1234567890123.4),
    (pa.decimal128(10, 0), Decimal(7), "decimal(10,0)", 7),
    (pa.string(), "", "string", ""),
    (pa.binary(), b"\xff\x00", "binary", "/wA="),
    (pa.bool_(), True, "boolean", True),
    (pa.date32(), dt.date(1, 1, 1), "date", "0001-01-01"),
    (pa.date32(), 2932897, "date", "+10000-01-01"),
    (pa.timestamp("us", "UTC"), INSTANT, "timestamp", "2024-10-27T00:30:00.00012Z"),
    (pa.timestamp("us", "UTC"), 253402300800000000, "timestamp", "+10000-01-01T00:00:00Z"),
    (pa.timestamp("us"), INSTANT.replace(tzinfo=None), "timestamp_ntz", "2024-10-27T00:30:00.00012"),
    (pa.list_(pa.int32()), [1, None], "array<int>", [1, None]),
    (pa.list_(pa.int32()), [], "array<int>", []),
    (pa.map_(pa.string(), pa.int32()), [], "map<string,int>", {}),
    (pa.map_(pa.int32(), pa.bool_()), [(1, True)], "map<int,boolean>", {"1": True}),
    (
        pa.struct([("a", pa.list_(pa.struct([("b", pa.decimal128(20, 1))])))]),
        {"a": [{"b": Decimal("1.5")}]},
        "struct<a:array<struct<b:decimal(20,1)>>>",
        {"a": [{"b": "1.5"}]},
    ),
]


@pytest.mark.parametrize(
    ("kind", "value", "name", "expected"), EXTREMES, ids=[f"{case[2]} {case[3]}" for case in EXTREMES]
)
def test_a_value_of_every_type_is_shown_as_it_is(
    shop: Path, kind: pa.DataType, value: Any, name: str, expected: Any
) -> None:
    write_deltalake(shop / "outside/rates", pa.table({"v": pa.array([value, None], kind)}))
    document = look("rates").document()
    assert document["columns"] == [{"name": "v", "type": name}]
    assert json.loads(json.dumps(document, allow_nan=False))["rows"] == [[expected], [None]]
    assert str(document["rows"][0][0]) == str(expected)  # -0.0 equals 0.0
    assert look("rates", sql="SELECT v FROM rates").document()["rows"] == document["rows"]


def test_instants_are_told_in_the_time_zone_of_the_flow(project: Write) -> None:
    zoned = PIPELINE.replace("  clean:\n", "  clean:\n    run: {timezone: Europe/Berlin}\n")
    root = project({"pipelines/shop.yml": zoned})
    table = pa.table({"at": pa.array([INSTANT, INSTANT + dt.timedelta(hours=1)], pa.timestamp("us", "UTC"))})
    write_deltalake(root / ".etl/local/tables/shop/clean", table)
    assert look("clean").rows == (
        ("2024-10-27T02:30:00.00012+02:00",),
        ("2024-10-27T02:30:00.00012+01:00",),
    )


def test_the_command_needs_no_java_and_prints_one_document(shop: Path) -> None:
    env = {"PATH": str(Path(sys.executable).parent), "HOME": str(shop), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    command = [sys.executable, "-m", "etl", "show", "clean", "--sql", "SELECT sum(id) AS total FROM clean", "--json"]
    done = subprocess.run(command, cwd=shop, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "pipeline": "shop",
        "flow": "clean",
        "version": 0,
        "columns": [{"name": "total", "type": "bigint"}],
        "rows": [[6]],
        "whole": True,
        "notes": [],
    }


def test_a_table_fits_the_terminal_and_says_how_much_it_is(shop: Path) -> None:
    result = CliRunner().invoke(main, ["show", "shop", "clean", "--limit", "1"])
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "id   email   price",
            "int  string  decimal(18,2)",
            "---  ------  -----------------",
            "1    ***     12345678901234.50",
            "",
            "the first row of version 0",
        ],
    )
    result = CliRunner().invoke(main, ["show", "nope"])
    assert result.exit_code == 2
    assert "no pipeline here has a flow or source 'nope'" in result.stderr
    assert CliRunner().invoke(main, ["show", "shop", "clean", "orders"]).exit_code == 2


def test_python_reads_a_whole_table_as_it_is(shop: Path) -> None:
    table = etl.load("shop").read("clean")
    assert table.to_arrow().equals(ROWS)
    assert table.to_pandas()["id"].tolist() == [1, 2, 3]
    assert "***" in table._repr_html_()
    assert "a@example.org" not in table._repr_html_()
    write_deltalake(shop / ".etl/local/tables/shop/clean", ROWS.slice(0, 1), mode="overwrite")
    assert etl.load("shop").read("clean").to_arrow().num_rows == 1
    old = etl.load("shop").read("clean", version=0)
    assert repr(old) == "Table shop.clean at version 0"
    assert old.to_arrow().num_rows == 3
    with pytest.raises(ConfigurationError, match="E150"):
        etl.load("shop").read("clean", version=-1)


def test_far_instants_reach_arrow_whole(shop: Path) -> None:
    far = pa.table({"at": pa.array([-62135596800000000, 253402300799999999], pa.timestamp("us", "UTC"))})
    write_deltalake(shop / "outside/rates", far)
    assert etl.load("shop").read("rates").to_arrow().equals(far)
    assert DeltaTable(shop / "outside/rates").version() == 0
