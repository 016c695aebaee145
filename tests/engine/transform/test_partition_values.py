"""Values of partition columns that Delta's text does not keep: kept exactly, or the row is refused by its value, in every mode."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.independent import rows

PIPELINE = """
    version: 1
    name: keep
    sources:
      stock: {format: json, path: landing, schema: "shop STRING, tag BINARY, at TIMESTAMP, seq INT, qty INT, gone BOOLEAN"}
    run: {timezone: Europe/Berlin}
    flows:
      by_shop:
        inputs: [stock]
        transform: {sql: "SELECT shop, seq, qty, gone FROM stock"}
        sink: {strategy: merge, keys: [shop], sequence_by: seq, delete_when: gone, partition_by: [shop]}
      shop_totals:
        inputs: [stock]
        transform: {sql: "SELECT shop, count(*) AS n, sum(qty) AS qty FROM stock GROUP BY shop"}
        incremental: {groups: {shop: shop}}
        sink: {partition_by: [shop]}
      by_tag:
        inputs: [stock]
        transform: {sql: "SELECT tag, seq, qty FROM stock"}
        columns: {tag: {sensitive: true}}
        sink: {strategy: merge, keys: [tag], sequence_by: seq, partition_by: [tag]}
      by_hour:
        inputs: [stock]
        transform: {sql: "SELECT date_trunc('HOUR', at) AS hour, seq, qty FROM stock"}
        sink: {strategy: merge, keys: [hour], sequence_by: seq, partition_by: [hour]}
      hours:
        inputs: [stock]
        transform: {sql: "SELECT date_trunc('HOUR', at) AS hour, date_format(at, 'HH:mm') AS clock, qty FROM stock"}
        sink: {partition_by: [hour]}
      named:
        inputs: [stock]
        transform: {sql: "SELECT shop, seq, qty, gone FROM stock"}
        expectations: {has_a_shop: {expr: "shop <> ''", on_violation: quarantine}}
        sink: {partition_by: [shop]}
    """
ARRIVALS = (
    [
        {"shop": "", "tag": "/w==", "at": "2024-10-27T00:30:00Z", "seq": 1, "qty": 1, "gone": False},
        {"shop": None, "tag": "/g==", "at": "2024-10-27T01:30:00Z", "seq": 1, "qty": 10, "gone": False},
        {"shop": "é/", "tag": "/g==", "at": "2024-10-27T01:30:00Z", "seq": 0, "qty": 10, "gone": False},
    ],
    [{"shop": "", "tag": "/w==", "at": "2024-10-27T00:45:00Z", "seq": 2, "qty": 2, "gone": True}],
)
FIRST, SECOND = (datetime(2024, 10, 27, hour, tzinfo=UTC) for hour in (0, 1))


@pytest.mark.spark
@pytest.mark.parametrize("way", [("batch", "batch"), ("stream", "stream"), ("batch", "stream")])
def test_a_value_that_a_partition_does_not_keep_is_refused_and_an_hour_that_comes_twice_is_two_hours(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession, way: tuple[str, str]
) -> None:
    root = project({"pipelines/keep.yml": PIPELINE})
    for number, (mode, arrival) in enumerate(zip(way, ARRIVALS, strict=True)):
        (root / "landing").mkdir(exist_ok=True)
        lines = "\n".join(map(json.dumps, arrival))
        (root / "landing" / f"{number}.json").write_text(lines, encoding="utf-8")
        result = {flow.flow: flow for flow in etl.load("keep").run(mode=mode).flows}
        failures = {name: flow.failure for name, flow in result.items() if flow.failure}
        assert sorted(failures) == ["by_shop", "by_tag", "shop_totals"]
        assert all(item.kind == "expectation" and not item.transient for item in failures.values())
        assert all(result[name].attempts == 1 for name in failures), "it is not tried again"
        for name in ("by_shop", "shop_totals"):
            assert (
                "'shop', by which the table is partitioned, is '' in the row {\"shop\":\"\"" in failures[name].message
            )
        assert (
            '\'tag\', by which the table is partitioned, is *** in the row {"tag":"***"' in failures["by_tag"].message
        )
        assert "hex" in failures["by_tag"].hint
    tables = root / ".etl" / "local" / "tables" / "keep"
    assert rows(tables / "by_hour") == [(FIRST, 2, 2), (SECOND, 1, 10)]
    assert rows(tables / "hours") == [(FIRST, "02:30", 1), (FIRST, "02:45", 2), *2 * [(SECOND, "02:30", 10)]]
    assert rows(tables / "named", "shop, qty") == [("é/", 10)]
    aside = rows(root / ".etl" / "local" / "quarantine" / "keep" / "named", "shop, qty")
    assert aside == [("", 1), ("", 2), (None, 10)]
    assert not (tables / "by_shop" / "_delta_log").exists()


LAYOUTS = """
    version: 1
    name: layouts
    sources: {stock: {format: json, path: landing, schema: "shop STRING, qty INT, sizes ARRAY<INT>"}}
    flows:
      by_array: {inputs: [stock], sink: {partition_by: [sizes]}}
      by_all: {inputs: [stock], transform: {sql: "SELECT shop FROM stock"}, sink: {partition_by: [shop]}}
      by_shop: {inputs: [stock], sink: {partition_by: [SHOP]}}
    """


@pytest.mark.spark
def test_a_table_is_partitioned_by_plain_columns_and_not_by_all_of_them(
    project: Callable[[Mapping[str, str]], Path], spark: SparkSession
) -> None:
    project({"pipelines/layouts.yml": LAYOUTS, "landing/1.json": '{"shop":"a","qty":1,"sizes":[1]}'})
    result = {flow.flow: flow.failure for flow in etl.load("layouts").run(mode="stream").flows}
    assert result["by_shop"] is None
    assert "array<int>; a partition is of plain values" in str(result["by_array"])
    assert "names every column" in str(result["by_all"])
