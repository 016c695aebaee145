"""A pipeline whose targets change and lose rows, read by flows of every kind, and the plain Python model of its tables."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.support.independent import rows

Row = dict[str, Any]

PIPELINE = """
version: 1
name: chain
sources:
  events:
    format: json
    path: landing/events
    schema: "k STRING, g STRING, v BIGINT, seq BIGINT, gone BOOLEAN"
    on_malformed: quarantine
    rate_limit: {files: 2}
  notes: {format: json, path: landing/notes, schema: "label STRING, w BIGINT"}
flows:
  clean:
    inputs: [events]
    incremental: rows
    expectations: {positive: {expr: v >= 0, on_violation: drop}}
  latest:
    inputs: [clean]
    incremental: rows
    sink: {strategy: merge, keys: [k], sequence_by: [seq], delete_when: gone}
  top_two:
    inputs: [clean]
    transform:
      sql: |
        SELECT g, k, v FROM (
          SELECT g, k, v, row_number() OVER (PARTITION BY g ORDER BY v DESC, k, seq, gone) AS place FROM clean)
        WHERE place <= 2
    incremental: {groups: {g: g}}
    expectations: {small: {expr: v < 8, on_violation: quarantine}}
  straight:
    inputs: [events]
    transform: {sql: "SELECT upper(g) AS big, count(*) AS n, sum(v) AS total FROM events GROUP BY upper(g) HAVING sum(v) > 5"}
    incremental: {groups: {big: upper(g)}}
  beside:
    inputs: [clean, notes]
    transform:
      sql: |
        SELECT coalesce(c.g, n.label) AS g, c.n, n.w
        FROM (SELECT g, count(*) AS n FROM clean GROUP BY g) c
        FULL OUTER JOIN (SELECT label, sum(w) AS w FROM notes GROUP BY label) n ON c.g = n.label
    incremental: {groups: {g: {clean: g, notes: label}}}
  by_group:
    inputs: [latest]
    transform: {sql: "SELECT g, sum(v) AS total, count(*) AS n FROM latest GROUP BY g HAVING count(*) > 1"}
    incremental: {groups: {g: g}}
  winner:
    inputs: [latest]
    transform: {sql: "SELECT g, k, v FROM latest WHERE v > 0"}
    incremental: rows
    sink: {strategy: merge, keys: [g], sequence_by: [v], except_columns: [v]}
  ranked:
    inputs: [by_group]
    incremental: rows
    sink: {strategy: merge, keys: [n], sequence_by: [total]}
  versions:
    inputs: [clean]
    incremental: rows
    sink: {strategy: scd2, keys: [k], sequence_by: [seq], track: [v], delete_when: gone, except_columns: [GONE]}
  now:
    inputs: [versions]
    transform: {sql: "SELECT g, count(*) AS n, count_if(is_current) AS alive FROM versions GROUP BY g"}
    incremental: {groups: {g: g}}
  moves:
    inputs: [latest]
    transform: {sql: "SELECT g, k, v, seq FROM latest"}
    incremental: rows
    sink: {strategy: scd2, keys: [g], sequence_by: [seq], track: [k]}
  everything:
    inputs: [ranked]
    transform: {sql: "SELECT count(*) AS n, sum(total) AS total FROM ranked"}
    incremental: full
"""
FLOWS = (
    "clean", "latest", "top_two", "straight", "beside", "by_group", "winner", "ranked", "versions", "now", "moves", "everything",
)  # fmt: skip


def write_project(root: Path) -> Path:
    """The project's files, without any event yet."""
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "pipelines" / "chain.yml").write_text(PIPELINE, encoding="utf-8")
    for source in ("events", "notes"):
        (root / "landing" / source).mkdir(parents=True, exist_ok=True)
    return root


def land(root: Path, source: str, name: str, items: list[Row | str]) -> None:
    """One file of a source, whole at once; a text is a line as it is (malformed)."""
    lines = [item if isinstance(item, str) else json.dumps(item) for item in items]
    draft = root / "landing" / f".{source}-{name}"
    draft.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    draft.replace(root / "landing" / source / name)


def model(events: list[Row | str], notes: list[Row]) -> dict[str, list[tuple[Any, ...]]]:
    """What every table must hold after all of it, in whatever order it came."""
    parsed = [item for item in events if not isinstance(item, str)]
    clean = [item for item in parsed if item["v"] is not None and item["v"] >= 0]
    latest = [item for item in _greatest(clean, ("k",), ("seq",)) if not item["gone"]]
    found: dict[str, list[tuple[Any, ...]]] = {"clean": _tuples(clean), "latest": _tuples(latest)}
    best = []
    for group in _grouped(clean, lambda item: item["g"]).values():
        ordered = sorted(group, key=lambda item: (-item["v"], *_order(item, ("k", "seq", "gone"))))
        best += [(item["g"], item["k"], item["v"]) for item in ordered[:2]]
    found["top_two"] = [row for row in best if row[2] < 8]
    found["top_two quarantine"] = [("small", *row) for row in best if row[2] >= 8]
    found["straight"] = []
    for big, group in _grouped(parsed, lambda item: item["g"] and item["g"].upper()).items():
        values = [item["v"] for item in group if item["v"] is not None]
        if values and sum(values) > 5:
            found["straight"].append((big, len(group), sum(values)))
    found["straight quarantine"] = [("malformed", item) for item in events if isinstance(item, str)]
    counts = {g: len(group) for g, group in _grouped(clean, lambda item: item["g"]).items()}
    weights = {g: sum(item["w"] for item in group) for g, group in _grouped(notes, lambda item: item["label"]).items()}
    met = (counts.keys() & weights.keys()) - {None}  # NULL = NULL is not true, so such groups stand alone
    found["beside"] = [(g, counts[g], weights[g]) for g in met]
    found["beside"] += [(g, n, None) for g, n in counts.items() if g not in met]
    found["beside"] += [(g, None, w) for g, w in weights.items() if g not in met]
    by_group = {
        g: (sum(item["v"] for item in group), len(group))
        for g, group in _grouped(latest, lambda item: item["g"]).items()
    }
    found["by_group"] = [(g, total, n) for g, (total, n) in by_group.items() if n > 1]
    positive = [{"g": item["g"], "k": item["k"], "v": item["v"]} for item in latest if item["v"] > 0]
    found["winner"] = [(item["g"], item["k"]) for item in _greatest(positive, ("g",), ("v",))]
    groups = [{"g": g, "total": total, "n": n} for g, total, n in found["by_group"]]
    found["ranked"] = _tuples(_greatest(groups, ("n",), ("total",)))
    totals = [row[1] for row in found["ranked"]]
    found["everything"] = [(len(totals), sum(totals) if totals else None)]
    versions = _versions(clean, "k", ("v",), delete="gone")
    found["versions"] = [(v["k"], v["g"], v["v"], v["seq"], v["seq"], until, until is None) for v, until in versions]
    found["now"] = [
        (g, len(group), sum(until is None for _, until in group))
        for g, group in _grouped(versions, lambda item: item[0]["g"]).items()
    ]
    moves = [{"g": item["g"], "k": item["k"], "v": item["v"], "seq": item["seq"]} for item in latest]
    found["moves"] = [
        (v["g"], v["k"], v["v"], v["seq"], v["seq"], until, until is None) for v, until in _versions(moves, "g", ("k",))
    ]
    return {name: sorted(items, key=repr) for name, items in found.items()}


def actual(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables hold, read by the independent reader."""
    storage = root / ".etl" / "local"
    found = {name: rows(storage / "tables" / "chain" / name) for name in FLOWS}
    found["top_two quarantine"] = rows(storage / "quarantine" / "chain" / "top_two", "_etl_reason, g, k, v")
    found["straight quarantine"] = rows(storage / "quarantine" / "chain" / "straight", "_etl_reason, _etl_record")
    return found


def _tuples(items: list[Row]) -> list[tuple[Any, ...]]:
    return [tuple(item.values()) for item in items]


def _order(item: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    """NULL before everything, as Spark orders."""
    return tuple((item[name] is not None, item[name]) for name in names)


def _grouped(items: list[Any], key: Any) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


def _greatest(items: list[Row], keys: tuple[str, ...], sequence: tuple[str, ...]) -> list[Row]:
    best: dict[tuple[Any, ...], Row] = {}
    for item in items:
        key = tuple(item[name] for name in keys)
        rank = (_order(item, sequence), _order(item, tuple(item)))
        if key not in best or rank > (_order(best[key], sequence), _order(best[key], tuple(item))):
            best[key] = item
    return list(best.values())


def _versions(items: list[Row], key: str, track: tuple[str, ...], delete: str = "") -> list[tuple[Row, Any]]:
    """Each version, and the sequence at which it ended."""
    found: list[tuple[Row, Any]] = []
    observed = _greatest(items, (key, "seq"), ("seq",))
    for group in _grouped(observed, lambda item: item[key]).values():
        current: Row | None = None
        for item in sorted(group, key=lambda item: item["seq"]):
            deleted = bool(delete and item[delete])
            if current is not None and (deleted or any(item[name] != current[name] for name in track)):
                found.append((current, item["seq"]))
                current = None
            if current is None and not deleted:
                current = item
        if current is not None:
            found.append((current, None))
    return found
