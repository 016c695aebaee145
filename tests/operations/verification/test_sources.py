"""`etl verify` over a Delta table that has seen updates and deletes, and over rows made up from schemas."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

import etl
from etl.cli.verify import command_of, text

PIPELINE = """
version: 1
name: lake
sources:
  orders: {format: delta, path: lake/orders}
  calls: {format: json, path: landing/calls, schema: "id BIGINT, who STRING, seconds INT, kind STRING, at TIMESTAMP"}
flows:
  kept:
    inputs: [orders]
    incremental: rows
    expectations: {paid: {expr: amount > 0, on_violation: quarantine}}
  latest: {inputs: [orders], incremental: rows, sink: {strategy: merge, keys: [who], sequence_by: [id]}}
  totals: {inputs: [orders], transform: {sql: "SELECT who, sum(amount) AS total FROM orders GROUP BY who"}, incremental: {groups: {who: who}}}
  long_calls:
    inputs: [calls]
    transform: {sql: "SELECT * FROM calls WHERE kind = 'outgoing' AND seconds >= 90000"}
    incremental: rows
    expectations: {named: {expr: who <> '', on_violation: fail}}
    primary_key: [id]
  callers:
    inputs: [calls]
    transform: {sql: "SELECT who, count(*) AS n, max(at) AS last FROM calls GROUP BY who"}
    incremental: {groups: {who: who}}
"""
LIVE = 32  # orders that are left


def write_project(root: Path) -> None:
    (root / "pipelines").mkdir()
    (root / "pipelines" / "lake.yml").write_text(PIPELINE, encoding="utf-8")
    rows = [{"id": number, "who": "abcd"[number % 4], "amount": number % 7} for number in range(40)]
    table = str(root / "lake" / "orders")
    schema = pa.schema([("id", pa.int64()), ("who", pa.string()), ("amount", pa.int64())])
    for part in (rows[:25], rows[25:]):
        write_deltalake(table, pa.Table.from_pylist(part, schema=schema), mode="append")
    DeltaTable(table).update(updates={"amount": "amount + 100"}, predicate="who = 'b'")
    DeltaTable(table).delete(f"id >= {LIVE}")


@pytest.mark.spark
def test_a_delta_table_with_updates_and_deletes_is_verified_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    log = sorted((tmp_path / "lake" / "orders" / "_delta_log").iterdir())
    found = etl.load("lake").verify(splits=1, seed=2, rows=1000, select=["kept", "latest", "totals"])
    assert found.status == "equal", text(found, command_of("lake"))
    assert found.notes == (f"orders: {LIVE} rows of version 3",)
    assert {item.flow: item.rows for item in found.flows} == {"kept": LIVE - 4, "latest": 4, "totals": 4}
    assert sorted((tmp_path / "lake" / "orders" / "_delta_log").iterdir()) == log


@pytest.mark.spark
def test_rows_made_up_from_schemas_pass_the_filters_and_are_verified_without_the_sources_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = etl.load("lake").verify(
        splits=1, seed=1, rows=60, generated=True, select=["latest", "long_calls", "callers"]
    )
    assert found.status == "equal", text(found, command_of("lake"))
    assert found.notes == ("orders: 60 generated rows", "calls: 60 generated rows")
    assert all(item.rows for item in found.flows), "a filter that no row passes proves nothing"
    assert not (tmp_path / "landing").exists()
