"""A pipeline with each sink, and a quarantine of both kinds, small enough to die at every point; its model is that of changing_cases."""

from __future__ import annotations

import fcntl
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests import changing_cases
from tests.changing_cases import Row, land
from tests.independent import rows

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
  versions:
    inputs: [clean]
    incremental: rows
    sink: {strategy: scd2, keys: [k], sequence_by: [seq], track: [v], delete_when: gone, except_columns: [gone]}
  everything:
    inputs: [latest]
    transform: {sql: "SELECT count(*) AS n, sum(v) AS total FROM latest"}
    incremental: full
run: {max_concurrent_flows: 1}
"""
FLOWS = ("clean", "latest", "top_two", "versions", "everything")


def write_project(root: Path) -> Path:
    """The project's files, without any event yet."""
    changing_cases.write_project(root)
    (root / "pipelines" / "chain.yml").write_text(PIPELINE, encoding="utf-8")
    return root


def some_events(dice: random.Random, count: int) -> list[Row | str]:
    """Events with ties, deletes, null groups and a line that is no JSON."""
    found: list[Row | str] = [
        {
            "k": dice.choice("abcdef"),
            "g": dice.choice(["x", "y", None]),
            "v": dice.choice([None, -1, 0, 1, 5, 9]),
            "seq": dice.randrange(8),
            "gone": dice.choice([True, False, False, None]),
        }
        for _ in range(count)
    ]
    return [*found, f"garbled {dice.randrange(1000)}"]


def arrive(root: Path, dice: random.Random, events: list[Row | str], name: str) -> None:
    """One more file of events, known to `events` too."""
    new = some_events(dice, dice.randrange(1, 6))
    events += new
    land(root, "events", name, new)


def model(events: list[Row | str]) -> dict[str, list[tuple[Any, ...]]]:
    """What every table must hold after all of it."""
    found = changing_cases.model(events, [])
    values = [row[2] for row in found["latest"]]
    return {
        **{name: found[name] for name in ("clean", "latest", "top_two", "versions", "top_two quarantine")},
        "clean quarantine": found["straight quarantine"],
        "everything": [(len(values), sum(values) if values else None)],
    }


def actual(root: Path, flows: Sequence[str] = FLOWS) -> dict[str, list[tuple[Any, ...]]]:
    """What the tables hold, read by the independent reader; the quarantines where all of them are asked for."""
    storage = root / ".etl" / "local"
    found = {name: rows(storage / "tables" / "chain" / name) for name in flows}
    if flows is not FLOWS:
        return found
    found["top_two quarantine"] = rows(storage / "quarantine" / "chain" / "top_two", "_etl_reason, g, k, v")
    found["clean quarantine"] = rows(storage / "quarantine" / "chain" / "clean", "_etl_reason, _etl_record")
    return found


def left_behind(root: Path) -> list[str]:
    """Files that only a run under way may have: drafts, requests to stop, failures that nobody took, a lock that is held."""
    storage = root / ".etl" / "local"
    drafts = [item for item in storage.rglob(".*.json.*") if not item.name.endswith(".crc")]
    ours = [item for kind in ("stop-*", "failure-*") for item in storage.rglob(f"checkpoints/chain/*/g*/etl/{kind}")]
    locks = [item for item in storage.rglob("checkpoints/chain/*/lock") if _is_held(item)]
    return [str(item.relative_to(storage)) for item in (*drafts, *ours, *locks)]


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
