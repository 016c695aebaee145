"""What the grammar of the front door does in a run: seen from the tables and the messages."""

from __future__ import annotations

from pathlib import Path

import pytest

import etl
from tests.independent import rows

pytestmark = pytest.mark.spark


def project(root: Path, yaml: str, **files: str) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "pipelines" / "p.yml").write_text("version: 1\nname: p\n" + yaml, encoding="utf-8")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def table(root: Path, flow: str) -> Path:
    return root / ".etl" / "local" / "tables" / "p" / flow


REGIONS = """
sources:
  orders: {for_each: {region: [eu, us]}, format: csv, path: "landing/${region}", schema: "id INT"}
flows:
  clean:
    for_each: {region: [eu, us]}
    inputs: [orders]
    transform: {sql: "SELECT id, :region AS region FROM orders"}
  scaled:
    for_each: {region: [eu, us], factor: [2, 3]}
    inputs: [clean]
    transform: {python: "scaling:scaled"}
"""
SCALING = """
from pyspark.sql import functions as F

def scaled(clean, params):
    return clean.select((clean.id * params["factor"]).alias("id"), F.lit(params["region"]).alias("region"))
"""


def test_each_value_of_a_for_each_fills_its_own_table_in_both_modes(tmp_path: Path) -> None:
    pipeline = project(
        tmp_path,
        REGIONS,
        **{"landing/eu/a.csv": "1\n", "landing/us/a.csv": "5\n", "pipelines/scaling.py": SCALING},
    )
    assert pipeline.run(mode="batch").status == "succeeded"
    (tmp_path / "landing/us/b.csv").write_text("6\n", encoding="utf-8")
    result = pipeline.run(mode="stream")
    assert {flow.flow: flow.status for flow in result.flows if flow.status != "unchanged"} == {
        "clean_us": "succeeded", "scaled_us_2": "succeeded", "scaled_us_3": "succeeded",
    }  # fmt: skip
    assert rows(table(tmp_path, "clean_eu")) == [(1, "eu")]
    assert rows(table(tmp_path, "scaled_eu_3")) == [(3, "eu")]
    assert rows(table(tmp_path, "scaled_us_2")) == [(10, "us"), (12, "us")]
    assert rows(table(tmp_path, "scaled_us_3")) == [(15, "us"), (18, "us")]
    assert pipeline.audit().holds
    assert pipeline.run(mode="batch", select=["clean"]).flows[0].status == "unchanged"
