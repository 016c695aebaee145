"""Invariant 1 with maintenance between the epochs: every kind and every sink ends in the table of a project that was never maintained."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

import etl
from etl.config.load import load
from etl.engine.metadata.delta_log import read_log
from etl.operations.maintenance.maintain import maintain
from etl.planning import maintenance
from tests.support.independent import rows

pytestmark = [pytest.mark.spark, pytest.mark.property]

PIPELINE = """
version: 1
name: p
defaults: {maintenance: {keep: 0}}
sources:
  orders:
    format: json
    path: landing
    schema: "id INT, seq INT, day STRING, price INT, gone BOOLEAN, at TIMESTAMP"
    rate_limit: {files: 1}
flows:
  appended: {inputs: [orders], incremental: rows, sink: {strategy: append, partition_by: [day]}}
  merged:
    inputs: [orders]
    incremental: rows
    expectations: {cheap: {expr: "price < 90", on_violation: quarantine}}
    sink: {strategy: merge, keys: [id], sequence_by: [seq], delete_when: gone}
  versions:
    inputs: [appended]
    transform: {sql: "SELECT id, seq, price FROM appended"}
    incremental: rows
    sink: {strategy: scd2, keys: [id], sequence_by: [seq], cluster_by: [id]}
  grouped:
    inputs: [appended]
    transform: {sql: "SELECT day, count(*) n, sum(price) total FROM appended GROUP BY day"}
    incremental: {groups: {day: day}}
  latest:
    inputs: [orders]
    transform: {sql: "SELECT window(at, '1 hour').start h, count(*) n FROM orders GROUP BY window(at, '1 hour')"}
    incremental: {state: {watermark: at, delay: 100 days}}
    sink: {strategy: merge, keys: [h]}
  whole:
    inputs: [appended]
    transform: {sql: "SELECT max(price) dearest FROM appended"}
    incremental: full
  by_price:
    inputs: {merged: changes}
    transform: {sql: "SELECT price, count(*) n FROM merged GROUP BY price"}
    incremental: {groups: {price: price}}
  lagging:
    inputs: {appended: changes, merged: {read: snapshot, on_change: keep}}
    transform: {sql: "SELECT a.id, a.seq, (SELECT count(*) > 0 FROM merged) known FROM appended a"}
    incremental: rows
  lagging_feed:
    inputs: {merged: changes}
    incremental: rows
    sink: {strategy: merge, keys: [id], sequence_by: [seq]}
"""
TABLES = {
    "appended": "id, seq, day, price",
    "merged": "id, seq, price",
    "versions": "id, seq, price, valid_from, valid_to, is_current",
    "grouped": "day, n, total",
    "latest": "h, n",
    "whole": "dearest",
    "by_price": "price, n",
    "lagging": "id, seq",
    "lagging_feed": "id, seq, price",
}
PROMPT = [name for name in TABLES if not name.startswith("lagging")]


def arrive(root: Path, dice: random.Random, number: int) -> None:
    lines = [
        {
            "id": dice.randrange(20),
            "seq": number * 10 + place,
            "day": dice.choice(["mon", "it's", None]),
            "price": dice.randrange(100),
            "gone": dice.random() < 0.2,
            "at": f"2026-01-{1 + number:02d}T{dice.randrange(24):02d}:00:00Z",
        }
        for place in range(6)
    ]
    (root / "landing" / f"{number:02d}.json").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


def project(root: Path) -> etl.Pipeline:
    (root / "pipelines").mkdir(parents=True)
    (root / "landing").mkdir()
    (root / "pipelines" / "p.yml").write_text(PIPELINE, encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def held(root: Path, flows: Iterator[str] | list[str]) -> dict[str, list[Any]]:
    storage = root / ".etl" / "local"
    found = {flow: rows(storage / "tables" / "p" / flow, TABLES[flow]) for flow in flows}
    return found | {"quarantine": rows(storage / "quarantine" / "p" / "merged", "id, seq, price")}


def maintained(root: Path) -> set[tuple[str, str]]:
    """What was done, of what."""
    result = maintain(load(root / "pipelines" / "p.yml"))
    assert {flow.status for flow in result.flows} <= {"succeeded", "unchanged", "skipped"}, result
    assert all("nothing was committed" in flow.reason for flow in result.flows if flow.status == "skipped"), result
    return {(done.deed, flow.flow) for flow in result.flows for done in flow.done}


def test_every_kind_and_sink_ends_in_the_same_tables_with_maintenance_between_its_epochs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "FEWEST", 2)  # each look finds something to do
    root, dice = tmp_path / "maintained", random.Random(7)
    pipeline = project(root)
    for number in range(2):
        arrive(root, dice, number)
    pipeline.run(mode="batch", select=PROMPT).raise_for_status()
    lagging = ["lagging", "lagging_feed"]
    pipeline.run(mode="stream", select=lagging).raise_for_status()
    for number in range(2, 5):
        arrive(root, dice, number)
    pipeline.run(mode="stream", select=PROMPT).raise_for_status()
    seen = maintained(root)
    arrive(root, dice, 5)
    pipeline.run(mode="stream", select=PROMPT).raise_for_status()
    seen |= maintained(root)
    assert {flow for deed, flow in seen if deed == "compact"} >= {"appended", "latest"}
    assert ("cluster", "versions") in seen
    assert {flow for deed, flow in seen if deed == "vacuum"} >= {"versions", "grouped", "by_price", "latest"}

    done = pipeline.run(mode="stream", select=lagging)
    done.raise_for_status()
    assert {flow.generation for flow in done.flows} == {0}, done  # no reader was rebuilt for what maintenance did
    pipeline.run(mode="stream").raise_for_status()
    assert pipeline.run(mode="stream").status == "unchanged"
    maintained(root)
    assert pipeline.run(mode="batch").status == "unchanged"  # a commit that changes no row is nothing new
    other = tmp_path / "undisturbed"
    reference = project(other)
    for file in (root / "landing").iterdir():
        (other / "landing" / file.name).write_bytes(file.read_bytes())
    reference.run(mode="batch").raise_for_status()
    assert held(root, list(TABLES)) == held(other, list(TABLES))
    assert pipeline.audit().holds, pipeline.audit()
    table = root / ".etl" / "local" / "tables" / "p" / "appended"
    epochs = [commit for commit in read_log(str(table)) if not commit.is_maintenance]
    assert len(epochs) < DeltaTable(str(table)).version() + 1
    arrive(root, dice, 6)
    pipeline.run(mode="batch").raise_for_status()
    assert pipeline.audit().holds
