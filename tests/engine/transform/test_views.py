"""Views in both modes: part of their readers, in SQL and in Python, over each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

YAML = """
version: 1
name: viewed
params: {least: 1}
sources:
  orders: {format: csv, path: landing/orders, schema: "id INT, who STRING", on_malformed: quarantine}
  people: {format: csv, path: landing/people, schema: "who STRING, name STRING"}
flows:
  named:
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT o.id, p.name FROM orders o LEFT JOIN people p ON o.who = p.who WHERE o.id >= :least"}
    sink: {strategy: view}
  shouted: {inputs: [named], transform: {python: "transforms:shout"}, sink: {strategy: view}}
  same: {inputs: [shouted], sink: {strategy: view}}
  stored: {inputs: [same], incremental: rows, expectations: {known: {expr: name IS NOT NULL, on_violation: quarantine}}}
  counted: {inputs: [shouted], transform: {sql: "SELECT name, count(*) AS n FROM shouted GROUP BY name"}}
"""
PYTHON = "from pyspark.sql import functions as F\n\n\ndef shout(named):\n    return named.withColumn('name', F.upper('name'))\n"


def land(root: Path, name: str, text: str) -> None:
    place = root / "landing" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def test_a_view_is_computed_inside_each_of_its_readers_in_either_mode(tmp_path: Path) -> None:
    land(tmp_path, "people/p.csv", "a,Anna\nb,Bob\n")
    land(tmp_path, "orders/1.csv", "0,a\n1,a\n2,zz\nodd,a\n")
    folder = tmp_path / "pipelines" / "viewed"
    folder.mkdir(parents=True)
    (folder / "pipeline.yml").write_text(YAML, encoding="utf-8")
    (folder / "transforms.py").write_text(PYTHON, encoding="utf-8")
    pipeline = etl.load(folder)
    tables = tmp_path / ".etl" / "local" / "tables" / "viewed"
    modes: tuple[Any, ...] = ("stream", "stream", "batch")
    for index, mode in enumerate(modes):
        land(tmp_path, f"orders/{index + 2}.csv", f"{index + 3},b\n")
        result = pipeline.run(mode=mode)
        assert [flow.failure for flow in result.flows] == [None, None]
        assert [flow.flow for flow in result.flows] == ["stored", "counted"]
        bobs = [(number + 3, "BOB") for number in range(index + 1)]
        assert rows(tables / "stored") == sorted([(1, "ANNA"), *bobs], key=repr)
        assert rows(tables / "counted") == sorted([("ANNA", 1), (None, 1), ("BOB", index + 1)], key=repr)
        assert rows(tmp_path / ".etl/local/quarantine/viewed/stored", "_etl_reason, _etl_input, _etl_record, id") == [
            ("known", None, None, 2),
            ("malformed", "orders", "odd,a", None),
        ]
    assert sorted(place.name for place in tables.iterdir()) == ["counted", "stored"]
    assert pipeline.audit().holds
    assert pipeline.run(mode="stream").status == "unchanged"


GROUPED = """
version: 1
name: grouped
sources:
  orders: {format: json, path: landing/orders, schema: "id INT, who STRING"}
  people: {format: json, path: landing/people, schema: "who STRING, name STRING"}
flows:
  kept: {inputs: [orders], transform: {sql: "SELECT id, who FROM orders WHERE id > 0"}, sink: {strategy: view}}
  named: {inputs: {kept: changes, people: snapshot}, transform: {sql: "SELECT k.id, upper(p.name) AS name FROM kept k JOIN people p USING (who)"}, sink: {strategy: view}}
  counted: {inputs: [kept], incremental: {groups: {who: who}}, transform: {sql: "SELECT who, count(*) AS n FROM kept GROUP BY who"}}
  both:
    inputs: {named: changes, kept: changes}
    incremental: {groups: {name: {named: name, kept: who}}}
    transform: {sql: "SELECT name, sum(id) AS s FROM (FROM named |> SELECT name, id |> UNION ALL SELECT who, id FROM kept) GROUP BY name"}
  summed: {inputs: [orders], transform: {sql: "SELECT who, count(*) AS n FROM orders GROUP BY who"}, sink: {strategy: view}}
  mixed: {inputs: [summed], enabled: %s, incremental: {groups: {who: who}}, transform: {sql: "SELECT who, max(n) AS n FROM summed GROUP BY who"}}
"""


def test_groups_over_a_view_are_those_of_its_rows_in_every_way_of_running(tmp_path: Path) -> None:
    land(tmp_path, "people/p.json", '{"who": "a", "name": "anna"}\n')
    (tmp_path / "pipelines").mkdir()
    file = tmp_path / "pipelines" / "grouped.yml"
    file.write_text(GROUPED % "false", encoding="utf-8")
    tables = tmp_path / ".etl" / "local" / "tables" / "grouped"
    ways: tuple[Any, ...] = ("stream", "stream", "stream", "batch", "stream")
    landed = [(1, "a"), (0, "zero"), (2, "b"), (3, "a"), (4, "c")]
    for index, (mode, (number, who)) in enumerate(zip(ways, landed, strict=True)):
        land(tmp_path, f"orders/{index}.json", f'{{"id": {number}, "who": "{who}"}}\n')
        result = etl.load(file).run(mode=mode)
        assert [flow.failure for flow in result.flows] == [None, None]
        so_far = [item for item in landed[: index + 1] if item[0] > 0]
        totals = {
            name: [number for number, who in so_far if who == name] for name in sorted({who for _, who in so_far})
        }
        assert rows(tables / "counted") == [(name, len(ids)) for name, ids in totals.items()]
        both = [("ANNA", sum(totals["a"])), *((name, sum(ids)) for name, ids in totals.items())]
        assert rows(tables / "both") == both
    assert etl.load(file).audit().holds
    file.write_text(GROUPED % "true", encoding="utf-8")
    (refused,) = etl.load(file).run(mode="stream", select=["mixed"]).flows
    assert refused.failure is not None
    assert "the view has an aggregate" in refused.failure.message
