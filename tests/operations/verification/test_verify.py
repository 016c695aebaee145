"""`etl verify`: good flows of every kind come out equal, planted faults are found and told apart, and nothing of the user's is touched."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.cli.verify import command_of, text

GOOD = """
version: 1
name: good
sources:
  orders: {format: json, path: landing/orders, schema: "id BIGINT, who STRING, amount DOUBLE, seq BIGINT", on_malformed: quarantine}
  people: {format: csv, path: landing/people.csv, schema: "who STRING, name STRING", options: {header: true}}
flows:
  clean:
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT o.*, p.name FROM orders o LEFT JOIN people p ON o.who = p.who"}
    incremental: rows
    expectations: {known: {expr: name IS NOT NULL, on_violation: quarantine}}
  latest: {inputs: [clean], incremental: rows, sink: {strategy: merge, keys: [who], sequence_by: [seq]}}
  lives: {inputs: [clean], incremental: rows, sink: {strategy: scd2, keys: [who], sequence_by: [seq]}}
  totals:
    inputs: [clean]
    transform: {sql: "SELECT who, sum(amount) AS total, count(*) AS n FROM clean GROUP BY who HAVING count(*) > 1"}
    incremental: {groups: {who: who}}
  shares:
    inputs: {clean: changes, totals: {read: snapshot, on_change: keep}}
    transform: {sql: "SELECT c.id, c.amount / t.total AS share FROM clean c JOIN totals t ON c.who = t.who"}
    incremental: rows
  greatest:
    inputs: [totals]
    transform: {sql: "SELECT max(total) AS total FROM totals"}
"""
FAULTY = """
version: 1
name: faulty
sources:
  orders: {format: json, path: landing/orders, schema: "id BIGINT, who STRING, amount DOUBLE, seq BIGINT", on_malformed: drop}
flows:
  mixing:
    inputs: [orders]
    transform: {sql: "SELECT who, count(*) AS n, any_value(total) AS total FROM (SELECT who, count(*) OVER () AS total FROM orders) GROUP BY who"}
    incremental: {groups: {who: who}}
    trusted: true
    columns: {total: {sensitive: true}}
    equality: {total: unordered}
  whoever:
    inputs: [orders]
    transform: {sql: "SELECT who, first(id) AS id FROM orders GROUP BY who"}
    equality: {id: unordered}
  after:
    inputs: {whoever: changes}
    transform: {sql: "SELECT sum(id) AS ids FROM whoever"}
  arrays:
    inputs: [orders]
    transform: {sql: "SELECT who, collect_list(id) AS ids, now() AS at FROM orders GROUP BY who"}
    equality: {ids: unordered, ignore: [at]}
"""


def _write(root: Path) -> None:
    (root / "pipelines").mkdir()
    (root / "pipelines" / "good.yml").write_text(GOOD, encoding="utf-8")
    (root / "pipelines" / "faulty.yml").write_text(FAULTY, encoding="utf-8")
    landing = root / "landing" / "orders"
    landing.mkdir(parents=True)
    (root / "landing" / "people.csv").write_text("who,name\na,Anna\nb,Bob\nc,Cy\n", encoding="utf-8")
    dice = random.Random(7)
    for number in range(3):
        rows = [
            {
                "id": 100 * number + index,
                "who": dice.choice("abcx"),
                "amount": dice.choice([0.1, 0.2, 3.3]),
                "seq": dice.randrange(6),
            }
            for index in range(12)
        ]
        lines = [json.dumps(row) for row in rows] + (["oops"] if number == 1 else [])
        (landing / f"{number}.json").write_text("\n".join(lines), encoding="utf-8")


def _listing(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in root.rglob("*")}


@pytest.mark.spark
def test_flows_of_every_kind_and_sink_are_equal_and_nothing_of_the_users_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = _listing(tmp_path)
    found = etl.load("good").verify(splits=1, seed=3)
    assert {item.flow: (item.verdict, item.kind, item.strategy) for item in found.flows} == {
        "clean": ("equal", "rows", "append"),
        "latest": ("equal", "rows", "merge"),
        "lives": ("equal", "rows", "scd2"),
        "totals": ("equal", "groups", "replace"),
        "shares": ("equal", "rows", "append"),
        "greatest": ("equal", "full", "overwrite"),
    }, text(found, command_of("good"))
    assert found.status == "equal"
    assert all(item.trials == 1 and item.rows for item in found.flows)
    assert _listing(tmp_path) == before


@pytest.mark.spark
def test_faults_of_a_transform_and_faults_of_the_modes_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["verify", "faulty", "--splits", "1", "--seed", "5", "--json"])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert found["status"] == "differs"
    flows = {item["flow"]: item for item in found["flows"]}
    assert {name: item["status"] for name, item in flows.items()} == {
        "mixing": "differs",
        "whoever": "differs from itself",
        "after": "not judged",
        "arrays": "equal",
    }
    assert "trusted: true" in flows["mixing"]["hint"]
    assert flows["mixing"]["replay"] == "etl verify faulty --select mixing --splits 1 --seed 5"
    rows = flows["mixing"]["tables"][0]["rows"]
    assert {row["expected"]["total"] for row in rows} == {"***"}, "sensitive"
    assert "depends on the order of rows" in flows["whoever"]["hint"]
    assert sum("trusted" in warning for warning in etl.load("faulty").plan().warnings) == 1
    assert "whoever above it differs already" in flows["after"]["message"]
    assert flows["whoever"]["replay"] == "etl verify faulty --select whoever --splits 0 --seed 5"


@pytest.mark.spark
def test_a_trusted_flow_is_run_with_a_warning_until_a_verification_has_found_it_equal_as_it_is(
    project: Callable[[Mapping[str, str]], Path],
) -> None:
    flow = """
        version: 1
        name: upper
        sources:
          orders: {format: json, path: orders, schema: "id BIGINT, who STRING", on_malformed: drop}
        flows:
          counted:
            inputs: [orders]
            transform: {sql: "SELECT upper(who) AS who, count(*) AS n FROM orders GROUP BY upper(who)"}
            incremental: {groups: {who: upper(who)}}
            trusted: true
        """
    orders = "\n".join(json.dumps({"id": number, "who": "aAbB"[number % 4]}) for number in range(9))
    root = project({"pipelines/upper.yml": flow, "orders/1.json": orders})

    def doubts() -> list[str]:
        return [warning for warning in etl.load("upper").plan().warnings if "trusted" in warning]

    ran = etl.load("upper").run(mode="batch")
    assert ran.status == "succeeded"
    assert [f"counted: {warning}" for warning in ran.flows[0].warnings] == doubts() != []
    assert "etl verify upper --select counted" in doubts()[0]
    assert etl.load("upper").verify(splits=0).status == "equal"
    assert doubts(), "no trial, no proof"
    assert etl.load("upper").verify(splits=1).status == "equal"
    assert not doubts()
    record = next(root.rglob("verified/counted.json"))
    record.write_bytes(record.read_bytes()[:-4])
    assert doubts(), "a damaged record is none"
    assert etl.load("upper").verify(splits=1).status == "equal"
    assert not doubts()
    project({"pipelines/upper.yml": flow.replace("count(*)", "count(id)")})
    assert doubts(), "another definition"
