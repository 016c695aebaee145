"""`:name` in expectations, `delete_when` and groups: the params of the environment, of a flag and of a test, in both modes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

import etl
from etl.cli import main
from etl.config.checks.pinned_settings import PINNED
from etl.config.sql.bound import literal
from tests.config.sql.test_bound import VALUES
from tests.support.independent import rows

pytestmark = pytest.mark.spark

YAML = """
version: 1
name: shop
params:
  most: 10
  gone: "it's over"
  since: {type: date, default: "2024-01-01"}
  unit: MONTH
sources:
  orders: {format: json, path: landing, schema: "id INT, price INT, state STRING, day DATE, n INT"}
flows:
  checked:
    inputs: [orders]
    transform: {sql: "SELECT id, price, day FROM orders"}
    incremental: rows
    expectations:
      cheap: {expr: "price < :most", on_violation: quarantine}
      new: {expr: "day >= :since", on_violation: drop}
  latest:
    inputs: [orders]
    transform: {sql: "SELECT id, state, n FROM orders"}
    sink: {strategy: merge, keys: [id], sequence_by: n, delete_when: "state = :gone"}
  by_month:
    inputs: [orders]
    transform: {sql: "SELECT CAST(date_trunc(:unit, day) AS DATE) AS month, sum(price) AS total FROM orders GROUP BY 1"}
    incremental: {groups: {month: "CAST(date_trunc(:unit, day) AS DATE)"}}
tests:
  - name: a test has params of its own
    flow: checked
    params: {most: 100}
    given: {orders: [{id: 1, price: 50, state: s, day: 2024-02-01, n: 1}]}
    expect: [{id: 1, price: 50, day: 2024-02-01}]
"""
FIRST = """{"id": 1, "price": 5, "state": "s", "day": "2024-01-05", "n": 1}
{"id": 2, "price": 15, "state": "s", "day": "2024-02-05", "n": 1}
"""
SECOND = """{"id": 1, "price": 6, "state": "it's over", "day": "2024-01-06", "n": 2}
{"id": 3, "price": 7, "state": "s", "day": "2023-12-31", "n": 1}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/shop.yml").write_text(YAML, encoding="utf-8")
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing/1.json").write_text(FIRST, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_value_counts_in_both_modes_and_another_one_is_another_definition(spark: SparkSession, shop: Path) -> None:
    def table(kind: str, flow: str, columns: str) -> list[tuple[object, ...]]:
        return rows(shop / ".etl/local" / kind / "shop" / flow, columns)

    etl.load("shop").run(mode="batch").raise_for_status()
    (shop / "landing/2.json").write_text(SECOND, encoding="utf-8")
    streamed = etl.load("shop").run(mode="stream").raise_for_status()
    assert [(flow.flow, flow.generation) for flow in streamed.flows] == [("checked", 0), ("latest", 0), ("by_month", 0)]
    counts = {flow.flow: flow.counts for flow in streamed.flows}
    assert (counts["checked"].written, counts["checked"].dropped) == (1, 1)
    for mode in ("stream", "batch"):
        assert table("tables", "checked", "id, price") == [(1, 5), (1, 6)], mode
        assert table("quarantine", "checked", "_etl_reason, id") == [("cheap", 2)], mode
        assert table("tables", "latest", "id") == [(2,), (3,)], mode
        assert table("tables", "by_month", "CAST(month AS VARCHAR), total") == [
            ("2023-12-01", 7), ("2024-01-01", 11), ("2024-02-01", 15)], mode  # fmt: skip
        etl.load("shop").run(mode="batch", full_refresh=True).raise_for_status()
    changed = etl.load("shop", params={"most": 100}).run(mode="stream").raise_for_status()
    told = {flow.flow: (flow.status, flow.reason) for flow in changed.flows}
    assert told["checked"] == ("succeeded", "the definition changed")
    assert {told["latest"][0], told["by_month"][0]} == {"unchanged"}
    assert table("tables", "checked", "id, price") == [(1, 5), (1, 6), (2, 15)]


def test_tests_verify_and_preview_use_it_too(spark: SparkSession, shop: Path) -> None:
    for command in (["test", "shop"], ["verify", "shop", "--splits", "2"]):
        ran = CliRunner().invoke(main, command)
        assert ran.exit_code == 0, ran.output
    shown = etl.load("shop", params={"most": 6}).preview("checked")
    assert (shown.sampled, shown.quarantined) == (2, 1)
    assert [row["id"] for row in shown.rows] == [1]


def test_a_violated_rule_is_told_and_a_wrong_type_is_refused_at_its_line(spark: SparkSession, shop: Path) -> None:
    file = shop / "pipelines/shop.yml"
    file.write_text(
        YAML.replace('price < :most", on_violation: quarantine', 'price < :most", on_violation: fail'), "utf-8"
    )
    failure = etl.load("shop").run(mode="batch", select=["checked"]).flows[0].failure
    assert failure is not None
    assert failure.kind == "expectation"
    assert "expectation 'cheap' (price < (10)) is violated, by the row {\"id\":2" in failure.message
    file.write_text(YAML.replace("price < :most", "price + :most"), encoding="utf-8")
    failure = etl.load("shop").run(mode="batch", select=["checked"]).flows[0].failure
    assert failure is not None
    assert "pipelines/shop.yml:17:21 [E349]" in failure.message


def test_a_literal_is_what_spark_binds_to_a_marker(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    session = spark.newSession()
    for name, value in PINNED.items():
        session.conf.set(name, value)
    values = {**VALUES, "variable": "${env:HOME} and ${spark:spark.app.name}"}
    for name, value in values.items():
        query = f"SELECT typeof(:{name}) AS kind, :{name} AS value"
        by_spark = session.sql(query, args={name: value}).selectExpr("kind", "CAST(value AS STRING)").first()
        frame = session.range(1).select(
            F.expr(f"typeof({literal(value)})"), F.expr(f"CAST({literal(value)} AS STRING)")
        )
        assert frame.first() == by_spark, name
