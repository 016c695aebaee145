"""A small pipeline with every kind of flow, and the plain Python model of what its tables must hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.independent import rows

PIPELINE = """
version: 1
name: shop
sources:
  orders:
    format: json
    path: landing/orders
    schema: "id BIGINT, who STRING, amount BIGINT, seq BIGINT, gone BOOLEAN"
    on_malformed: quarantine
    rate_limit: {files: 1}
  people: {format: csv, path: landing/people.csv, schema: "who STRING, name STRING", options: {header: true}}
flows:
  clean:
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT o.id, o.who, p.name, o.amount, o.seq, o.gone FROM orders o LEFT JOIN people p ON o.who = p.who"}
    incremental: rows
    expectations:
      positive: {expr: amount > 0, on_violation: drop}
      known: {expr: name IS NOT NULL, on_violation: quarantine}
  latest:
    inputs: [clean]
    transform: {sql: "SELECT id, who, amount, seq FROM clean"}
    incremental: rows
    sink: {strategy: merge, keys: [who], sequence_by: [seq]}
  alive:
    inputs: [clean]
    incremental: rows
    sink: {strategy: merge, keys: [id], sequence_by: [seq], delete_when: gone, except_columns: [gone, SEQ, Name]}
  living:
    inputs: [clean]
    transform: {sql: "SELECT id, who, amount, seq, gone FROM clean"}
    incremental: rows
    sink: {strategy: merge, keys: [id], sequence_by: [seq], delete_when: gone}
  once:
    inputs: [clean]
    transform: {sql: "SELECT id, who FROM clean"}
    incremental: rows
    sink: {strategy: merge, keys: [id], insert_only: true}
  totals:
    inputs: [clean]
    transform: {sql: "SELECT who, sum(amount) AS total, count(*) AS n FROM clean GROUP BY who HAVING count(*) > 1"}
"""
PEOPLE = {"a": "Anna", "b": "Bob", "c": "Cy"}
FLOWS = ("clean", "latest", "alive", "living", "once", "totals")


def write_project(root: Path) -> Path:
    """The project's files, without any order yet."""
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "pipelines" / "shop.yml").write_text(PIPELINE, encoding="utf-8")
    (root / "landing" / "orders").mkdir(parents=True, exist_ok=True)
    people = "".join(f"{who},{name}\n" for who, name in PEOPLE.items())
    (root / "landing" / "people.csv").write_text("who,name\n" + people, encoding="utf-8")
    return root


def land(root: Path, name: str, orders: list[dict[str, Any] | str]) -> None:
    """One file of orders, whole at once; a text is a line as it is (malformed)."""
    lines = [order if isinstance(order, str) else json.dumps(order) for order in orders]
    draft = root / "landing" / f".{name}"
    draft.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    draft.replace(root / "landing" / "orders" / name)


def model(orders: list[dict[str, Any] | str]) -> dict[str, list[tuple[Any, ...]]]:
    """What every table must hold after all `orders`, in whatever order they came."""
    parsed = [item for item in orders if not isinstance(item, str)]
    good = [item for item in parsed if item["amount"] is not None and item["amount"] > 0]
    clean = [{**item, "name": PEOPLE[item["who"]]} for item in good if item["who"] in PEOPLE]
    found = {"clean": [tuple(item[key] for key in ("id", "who", "name", "amount", "seq", "gone")) for item in clean]}
    found["latest"] = [
        (item["id"], item["who"], item["amount"], item["seq"])
        for item in _winners(clean, "who", ("id", "who", "amount", "seq"))
    ]
    whole = ("id", "who", "name", "amount", "seq", "gone")
    found["alive"] = [
        (item["id"], item["who"], item["amount"]) for item in _winners(clean, "id", whole) if not item["gone"]
    ]
    living = _winners(clean, "id", ("id", "who", "amount", "seq", "gone"))
    found["living"] = [
        tuple(item[key] for key in ("id", "who", "amount", "seq", "gone")) for item in living if not item["gone"]
    ]
    once: dict[int, tuple[int, str]] = {}
    for item in clean:
        once[item["id"]] = max(once.get(item["id"], (item["id"], "")), (item["id"], item["who"]))
    found["once"] = list(once.values())
    people = {item["who"] for item in clean}
    groups = {who: [item["amount"] for item in clean if item["who"] == who] for who in people}
    found["totals"] = [(who, sum(amounts), len(amounts)) for who, amounts in groups.items() if len(amounts) > 1]
    unknown = [("known", None, item["id"]) for item in good if item["who"] not in PEOPLE]
    found["quarantine"] = unknown + [("malformed", item, None) for item in orders if isinstance(item, str)]
    return {name: sorted(items, key=repr) for name, items in found.items()}


def _winners(items: list[dict[str, Any]], key: str, whole: tuple[str, ...]) -> list[dict[str, Any]]:
    best: dict[Any, dict[str, Any]] = {}
    for item in items:
        rank = (item["seq"], *(_null_first(item[name]) for name in whole))
        held = best.get(item[key])
        if held is None or rank > (held["seq"], *(_null_first(held[name]) for name in whole)):
            best[item[key]] = item
    return list(best.values())


def _null_first(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


def table(root: Path, flow: str) -> list[tuple[Any, ...]]:
    """What a flow's table holds, read by the independent reader."""
    return rows(root / ".etl" / "local" / "tables" / "shop" / flow)


def actual(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What every table holds, and the quarantine."""
    found = {name: table(root, name) for name in FLOWS}
    found["quarantine"] = rows(
        root / ".etl" / "local" / "quarantine" / "shop" / "clean", "_etl_reason, _etl_record, id"
    )
    return found
