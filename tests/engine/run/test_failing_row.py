"""An epoch that a value makes fail names the row and the file, and never another row."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.engine.run import failing_row
from etl.planning.results import FlowResult
from tests.crash.killing import run

pytestmark = pytest.mark.spark

PYTHON = """
from pyspark.sql import DataFrame, functions as F

def cast(orders: DataFrame) -> DataFrame:
    return orders.select(
        "id",
        F.col("price").cast("int").alias("price"),
    )

@F.udf("int")
def to_number(price: str) -> int:
    return int(price)

def called(orders: DataFrame) -> DataFrame:
    return orders.select("id", to_number("price").alias("price"))

@F.udf("int")
def by_module(price: str) -> int:
    if price.endswith("x"):
        import no_such_module
    return 1

def lacking(orders: DataFrame) -> DataFrame:
    return orders.select("id", by_module("price").alias("price"))

def of_group(rows):
    if len(rows) != 2:
        raise ValueError(f"{len(rows)} rows")
    return rows[["id"]]

def by_group(orders: DataFrame) -> DataFrame:
    return orders.groupBy("kind").applyInPandas(of_group, "id int")

def parsed(orders: DataFrame) -> DataFrame:
    return orders.select("id", F.to_timestamp("price", "d").alias("at"))
"""
WATERMARK = {"state": {"watermark": "at", "delay": "1 hour"}}
FLOWS: dict[str, dict[str, Any]] = {
    "plain": {"transform": {"sql": "SELECT id,\n  CAST(price AS\n    DECIMAL(10,2)) AS amount\nFROM orders"}},
    "guarded": {"transform": {"sql": "SELECT id, CASE WHEN kind = 'n' THEN int(price) END AS p FROM orders WHERE id <> 3"}},
    "divided": {"transform": {"sql": "WITH o AS (SELECT *, qty - 5 AS less FROM orders) SELECT id, 10 / less AS share FROM o"}},
    "joined": {
        "inputs": {"orders": "changes", "names": "snapshot"},
        "transform": {"sql": "SELECT o.id, 1 / (o.qty - 5) AS x FROM orders o JOIN names n ON n.id = o.id"},
    },
    "of_snapshot": {
        "inputs": {"orders": "changes", "names": "snapshot"},
        "transform": {"sql": "SELECT o.id, int(n.name) AS x FROM orders o JOIN names n ON n.id = o.id"},
    },
    "grouped": {
        "transform": {"sql": "SELECT kind, sum(int(price)) AS total FROM orders GROUP BY kind"},
        "incremental": {"groups": {"kind": "kind"}},
    },
    "whole": {"transform": {"sql": "SELECT kind, sum(int(price)) AS total FROM orders GROUP BY kind"}, "incremental": "full"},
    "windows": {
        "transform": {"sql": "SELECT window(at, '1 hour').start AS start, sum(int(price)) AS total FROM orders GROUP BY window(at, '1 hour')"},
        "incremental": WATERMARK,
        "sink": {"strategy": "append"},
    },
    "in_python": {"transform": {"python": "code:cast"}},
    "in_worker": {"transform": {"python": "code:called"}},
    "no_place": {"transform": {"python": "code:parsed"}},
    "hidden": {
        "transform": {"sql": "SELECT id, qty, int(price) AS amount FROM orders"},
        "columns": {"amount": {"sensitive": True}},
    },
    "judged": {"expectations": {"even": {"expr": "1 / (qty - 5) < 2", "on_violation": "drop"}}},
    "no_module": {"transform": {"python": "code:lacking"}},
    "no_row_of_group": {"transform": {"python": "code:by_group"}, "incremental": "full"},
    "no_row": {"transform": {"sql": "SELECT id, 1 / (count(*) OVER () - 5) AS x FROM orders"}, "incremental": "full"},
}  # fmt: skip
GOOD = [
    {"id": 1, "price": "1", "qty": 1, "kind": "n", "at": "2024-01-01 00:10:00"},
    {"id": 2, "price": "2", "qty": 2, "kind": "n", "at": "2024-01-01 00:20:00"},
]
# Row 3 fails of nothing in `guarded`, which leaves it out; 4 fails of nothing there either, being of another kind.
BAD = [
    {"id": 3, "price": "3.x", "qty": 3, "kind": "n", "at": "2024-01-01 00:30:00"},
    {"id": 4, "price": "4.x", "qty": 4, "kind": "m", "at": "2024-01-01 00:40:00"},
    {"id": 5, "price": "5.x", "qty": 5, "kind": "n", "at": "2024-01-01 00:50:00"},
]
SCHEMA = "id INT, price STRING, qty INT, kind STRING, at TIMESTAMP"


@pytest.fixture(scope="module")
def ran(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, FlowResult]]:
    """Mode → flow → its result, of a first epoch over good rows and a second that brings bad ones."""
    results = {}
    for mode in ("batch", "stream"):
        root = tmp_path_factory.mktemp(mode)
        (root / "pipelines/rows").mkdir(parents=True)
        names = {"format": "csv", "path": "names", "schema": "id INT, name STRING"}
        orders = {"format": "json", "path": "in files", "schema": SCHEMA}
        pipeline = {
            "version": 1,
            "name": "rows",
            "sources": {"orders": orders, "names": names},
            "flows": {name: {"inputs": ["orders"]} | flow for name, flow in FLOWS.items()},
            "run": {"retry": {"max_retries": 2, "min_retry_interval": "0.01 seconds"}},
        }
        (root / "pipelines/rows/pipeline.yml").write_text(json.dumps(pipeline), encoding="utf-8")
        (root / "pipelines/rows/code.py").write_text(PYTHON, encoding="utf-8")
        (root / "names").mkdir()
        (root / "names/1.csv").write_text("1,1\n2,2\n5,five\n", encoding="utf-8")
        land(root, "1", GOOD)
        loaded = etl.load(root / "pipelines/rows")
        first = loaded.run(mode=mode)
        assert {flow.flow: flow.failure.message for flow in first.flows if flow.failure} == {}
        land(root, "2", BAD)
        results[mode] = {flow.flow: flow for flow in loaded.run(mode=mode).flows}
    return results


def land(root: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (root / "in files").mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "in files" / f"{name}.json").write_text(text, encoding="utf-8")


ROWS = {
    "plain": {3, 4, 5},
    "guarded": {5},
    "divided": {5},
    "joined": {5},
    "grouped": {3, 4, 5},
    "whole": {3, 4, 5},
    "windows": {3, 4, 5},
    "in_python": {3, 4, 5},
    "in_worker": {3, 4, 5},
    "no_place": {3, 4, 5},
    "hidden": {3, 4, 5},
    "judged": {5},
}
"""Flow → the ids of rows that it may name."""


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize("flow", ROWS)
def test_the_row_and_its_file_are_named(ran: dict[str, dict[str, FlowResult]], flow: str, mode: str) -> None:
    failure = ran[mode][flow].failure
    assert failure is not None
    assert len(failure.rows) == 1, failure.message
    row = failure.rows[0]
    assert row.row["id"] in ROWS[flow]
    assert row.file.endswith("/in files/2.json")
    assert Path(row.file).is_file()
    assert failure.message.endswith(" in in files/2.json")
    assert f'the row {{"id": {row.row["id"]}, ' in failure.message
    assert ran[mode][flow].attempts == 1
    if flow != "hidden":
        assert row.row in [{**each, "at": each["at"].replace(" ", "T") + ".000Z"} for each in BAD]


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_the_row_of_a_snapshot_is_named(ran: dict[str, dict[str, FlowResult]], mode: str) -> None:
    failure = ran[mode]["of_snapshot"].failure
    assert failure is not None
    assert [dict(row.row) for row in failure.rows] == [{"id": 5, "name": "five"}]
    assert failure.message.endswith(" in names/1.csv")


@pytest.mark.parametrize("mode", ["batch", "stream"])
@pytest.mark.parametrize("flow", ["no_row", "no_module", "no_row_of_group"])
def test_where_no_row_alone_is_to_blame_none_is_named(
    ran: dict[str, dict[str, FlowResult]], flow: str, mode: str
) -> None:
    failure = ran[mode][flow].failure
    assert failure is not None
    assert failure.rows == ()
    assert "the row" not in failure.message


def test_the_column_and_the_expression_are_named(ran: dict[str, dict[str, FlowResult]]) -> None:
    told = {name: flow.failure for name, flow in ran["stream"].items()}
    plain, python = told["plain"], told["in_python"]
    assert plain is not None
    assert python is not None
    assert "flow 'plain': column 'amount': CAST(price AS DECIMAL(10,2)): [CAST_INVALID_INPUT]" in plain.message
    assert python.where.endswith("code.py:7:1")
    worker = told["in_worker"]
    assert worker is not None
    assert "flow 'in_worker': ValueError: invalid literal for int()" in worker.message
    assert worker.where.endswith("code.py:12:1")


@pytest.mark.system
def test_a_process_of_its_own_tells_the_line_of_the_call(project: Callable[[Mapping[str, str]], Path]) -> None:
    """pyspark looks once in a process, at its first call, for an active session, without which it tells no lines from then on."""
    flow = {"inputs": ["orders"], "transform": {"python": "code:cast"}}
    orders = {"format": "json", "path": "in files", "schema": SCHEMA}
    pipeline = {"version": 1, "name": "p", "sources": {"orders": orders}, "flows": {"f": flow, "g": flow}}
    files = {"pipelines/p/pipeline.yml": json.dumps(pipeline), "pipelines/p/code.py": PYTHON}
    root = project(files)
    land(root, "1", BAD)
    ended = run(root, "run", "p", "--json")
    assert ended.returncode == 1
    for told in json.loads(ended.stdout)["flows"]:  # side by side, in threads that had no session before
        assert "/pipelines/p/code.py:7:1" in json.dumps(told)


def test_what_no_person_should_see_is_in_neither_the_row_nor_the_message(ran: dict[str, dict[str, FlowResult]]) -> None:
    failure = ran["stream"]["hidden"].failure
    assert failure is not None
    assert {name: value for name, value in failure.rows[0].row.items() if value != "***"}.keys() == {"id", "qty"}
    assert "x" not in failure.message.split("CAST_INVALID_INPUT")[1].replace("fails of", "")


LOOKED_UP = """
version: 1
name: looked_up
sources:
  orders: {format: json, path: in files, schema: "id INT, price STRING, qty INT, kind STRING, at TIMESTAMP"}
  names: {format: csv, path: names, schema: "id INT, name STRING"}
flows:
  f:
    inputs: {orders: changes, names: snapshot}
    transform: {sql: "SELECT o.id, o.qty, int(n.name) AS x FROM orders o JOIN names n ON n.id = o.id"}
    expectations: {little: {expr: qty < 2, on_violation: quarantine}}
"""


@pytest.mark.parametrize("command", ["backfill", "replay"])
def test_a_part_that_is_recomputed_names_the_row_that_it_fails_of(
    spark: SparkSession, tmp_path: Path, command: str
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/looked_up.yml").write_text(LOOKED_UP, encoding="utf-8")
    (tmp_path / "names").mkdir()
    (tmp_path / "names/1.csv").write_text("1,1\n2,2\n", encoding="utf-8")
    land(tmp_path, "1", GOOD)
    loaded = etl.load(tmp_path / "pipelines/looked_up.yml")
    assert loaded.run(mode="batch").flows[0].failure is None
    # Row 1 lies outside the window, and was never quarantined: nobody computes it.
    (tmp_path / "names/1.csv").write_text("1,one\n2,two\n", encoding="utf-8")
    bounds = {"column": "id", "start": "2", "end": "9"} if command == "backfill" else {}
    with pytest.raises(etl.FlowFailed) as failed:
        getattr(loaded, command)(select="f", **bounds)
    assert "column 'x': int(n.name): [CAST_INVALID_INPUT]" in failed.value.what
    assert failed.value.what.endswith('it fails of the row {"id": 2, "name": "two"} in names/1.csv')


PIPELINE = """
version: 1
name: one
sources: {orders: {format: json, path: in files, schema: "id INT, price STRING, qty INT, kind STRING, at TIMESTAMP"}}
flows: {f: {inputs: [orders], transform: {sql: "SELECT id, int(price) AS p FROM orders"}, incremental: KIND}}
"""


@pytest.mark.parametrize("kind", ["rows", "full"])
@pytest.mark.parametrize("trouble", ["slow", "broken"])
def test_whatever_happens_to_the_search_the_first_failure_stands(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, trouble: str
) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/one.yml").write_text(PIPELINE.replace("KIND", kind), encoding="utf-8")
    land(tmp_path, "1", BAD)
    loaded = etl.load(tmp_path / "pipelines/one.yml")

    def broken(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    if trouble == "slow":
        monkeypatch.setattr(failing_row, "SECONDS", 0.5)
        monkeypatch.setattr("etl.engine.run.failing_row._Search._fails", lambda search, _: spark_takes_long(search))
    else:
        monkeypatch.setattr(failing_row, "compute", broken)
    begun = time.monotonic()
    failure = loaded.run(mode="batch").flows[0].failure
    assert failure is not None
    assert "CAST_INVALID_INPUT" in failure.message
    assert "space" not in failure.message
    assert failure.rows == ()
    assert time.monotonic() - begun < 40


def spark_takes_long(search: Any) -> bool:
    """A check of a portion whose Spark job would take hours: it is interrupted."""
    search.session.sql("SELECT sum(hash(id)) FROM range(0, 1000000000000000)").collect()
    return True
