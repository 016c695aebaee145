"""A pipeline whose snapshot moves under flows that keep it, and the plain Python model of what a backfill makes of their tables."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from tests.support.independent import rows

Row = dict[str, Any]
People = dict[str, tuple[str, bool]]  # who → name, closed
Tables = dict[str, list[tuple[Any, ...]]]

_JOINED = "FROM events e LEFT JOIN people p ON e.who = p.who"
PIPELINE = f"""
version: 1
name: past
sources:
  events:
    format: json
    path: landing/events
    schema: "k STRING, d DATE, v BIGINT, seq BIGINT, who STRING"
    on_malformed: quarantine
  people: {{format: json, path: landing/people.json, schema: "who STRING, name STRING, closed BOOLEAN"}}
defaults:
  flow: {{inputs: {{events: changes, people: snapshot}}}}
flows:
  added:
    transform: {{sql: "SELECT e.*, p.name {_JOINED}"}}
    incremental: rows
    expectations: {{known: {{expr: name IS NOT NULL, on_violation: quarantine}}}}
  latest:
    transform: {{sql: "SELECT e.*, p.name {_JOINED}"}}
    incremental: rows
    expectations: {{known: {{expr: name IS NOT NULL, on_violation: quarantine}}}}
    sink: {{strategy: merge, keys: [k], sequence_by: [seq]}}
  alive:
    transform: {{sql: "SELECT e.k, e.d, e.seq, p.name, p.closed {_JOINED}"}}
    incremental: rows
    sink: {{strategy: merge, keys: [k], sequence_by: [seq], delete_when: closed}}
  versions:
    transform: {{sql: "SELECT e.k, e.d, e.seq, p.name {_JOINED}"}}
    incremental: rows
    sink: {{strategy: scd2, keys: [k], sequence_by: [seq], track: [name]}}
  daily:
    transform: {{sql: "SELECT e.d, p.name, count(*) AS n, sum(e.v) AS total {_JOINED} GROUP BY e.d, p.name"}}
    incremental: {{groups: {{d: d}}}}
    expectations: {{known: {{expr: name IS NOT NULL, on_violation: quarantine}}}}
  copied:
    inputs: [added]
    incremental: rows
run: {{mode: stream, retry: {{max_retries: 0}}}}
"""
FLOWS = ("added", "latest", "alive", "versions", "daily")
COLUMNS = {"added": "k, d, v, seq, who, name", "latest": "k, d, v, seq, who, name", "daily": "d, name, n, total"}


def write_project(root: Path, people: People) -> Path:
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "pipelines" / "past.yml").write_text(PIPELINE, encoding="utf-8")
    (root / "landing" / "events").mkdir(parents=True, exist_ok=True)
    move(root, people)
    return root / "pipelines" / "past.yml"


def move(root: Path, people: People) -> None:
    """The snapshot, rewritten."""
    lines = [json.dumps({"who": who, "name": name, "closed": closed}) for who, (name, closed) in people.items()]
    (root / "landing" / "people.json").write_text("\n".join(lines) + "\n", encoding="utf-8")


def land(root: Path, name: str, events: list[Row | str]) -> None:
    lines = [item if isinstance(item, str) else json.dumps(item, default=str) for item in events]
    draft = root / "landing" / f".{name}"
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.replace(root / "landing" / "events" / name)


def batch(events: list[Row | str], people_of: Callable[[str, Row], People]) -> Tables:
    """What every table holds once each event has been joined, for each flow, with that state of the snapshot."""
    parsed = [item for item in events if not isinstance(item, str)]
    joined = {flow: [_joined(item, people_of(flow, item)) for item in parsed] for flow in FLOWS}
    found: Tables = {}
    for flow in ("added", "latest"):
        good = [item for item in joined[flow] if item["name"] is not None]
        kept = good if flow == "added" else _greatest(good)
        found[flow] = [_values(item, COLUMNS[flow]) for item in kept]
        bad = [item for item in joined[flow] if item["name"] is None]
        found[f"{flow} quarantine"] = [("known", *_values(item, COLUMNS[flow])) for item in bad]
    found["alive"] = [_values(item, "k, d, seq, name") for item in _greatest(joined["alive"]) if not item["closed"]]
    found["versions"] = []
    for key in sorted({item["k"] for item in parsed}):
        history: list[Row] = []
        of_key = [item for item in joined["versions"] if item["k"] == key]
        for item in sorted(of_key, key=lambda item: item["seq"]):
            if not history or history[-1]["name"] != item["name"]:
                history.append(item)
        ends = [*(item["seq"] for item in history[1:]), None]
        found["versions"] += [
            (*_values(item, "k, d, seq, name"), item["seq"], end, end is None)
            for item, end in zip(history, ends, strict=True)
        ]
    groups: dict[Any, list[Row]] = defaultdict(list)
    for item in joined["daily"]:
        groups[item["d"], item["name"]].append(item)
    daily = [(d, name, len(items), sum(item["v"] for item in items)) for (d, name), items in groups.items()]
    found["daily"] = [row for row in daily if row[1] is not None]
    found["daily quarantine"] = [("known", *row) for row in daily if row[1] is None]
    return {name: sorted(table, key=repr) for name, table in found.items()}


def touched(before: Tables, whole: Tables, events: list[Row | str], low: date, high: date) -> dict[str, set[str]]:
    """Of each flow with keys those that a backfill of low ≤ d < high recomputes; `whole` is one batch's."""
    parsed = [item for item in events if not isinstance(item, str)]
    found: dict[str, set[str]] = {}
    for flow in ("latest", "alive", "versions"):
        held = [row for tables in (before, whole) for row in tables[flow]]
        held += [row[1:] for tables in (before, whole) for row in tables.get(f"{flow} quarantine", ())]
        found[flow] = {row[0] for row in held if within(row[1], low, high)}
    found["alive"] |= {item["k"] for item in _greatest(parsed) if within(item["d"], low, high)}  # deleted ones count
    found["versions"] |= {item["k"] for item in parsed if within(item["d"], low, high)}
    return found


def within(day: date | None, low: date, high: date) -> bool:
    return day is not None and low <= day < high


def _joined(item: Row, people: People) -> Row:
    name, closed = people.get(item["who"], (None, None))
    return {**item, "name": name, "closed": closed}


def actual(root: Path) -> Tables:
    storage = root / ".etl" / "local"
    found = {name: rows(storage / "tables" / "past" / name, COLUMNS.get(name, "*")) for name in FLOWS}
    found["alive"] = rows(storage / "tables" / "past" / "alive", "k, d, seq, name")
    for name in ("added", "latest", "daily"):
        found[f"{name} quarantine"] = rows(storage / "quarantine" / "past" / name, f"_etl_reason, {COLUMNS[name]}")
        found[f"{name} quarantine"] = [row for row in found[f"{name} quarantine"] if row[0] != "malformed"]
    return {name: sorted(table, key=repr) for name, table in found.items()}


def malformed(root: Path, flow: str) -> int:
    reasons = rows(root / ".etl" / "local" / "quarantine" / "past" / flow, "_etl_reason")
    return sum(reason == "malformed" for (reason,) in reasons)


def _values(item: Row, names: str) -> tuple[Any, ...]:
    return tuple(item[name] for name in names.split(", "))


def _greatest(items: list[Row]) -> list[Row]:
    best: dict[Any, Row] = {}
    for item in items:
        if item["k"] not in best or item["seq"] > best[item["k"]]["seq"]:
            best[item["k"]] = item
    return list(best.values())
