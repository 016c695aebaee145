"""Flows of changing_cases with each sink, and a quarantine of both kinds, few enough to die at every point; their model is the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support import changing_cases
from tests.support.changing_cases import Row, land
from tests.support.independent import rows

FLOWS = ("clean", "latest", "top_two", "versions", "everything")


def write_project(root: Path) -> Path:
    """The project's files, without any event yet."""
    changing_cases.write_project(root)
    pipeline = yaml.safe_load(changing_cases.PIPELINE)
    flows = {name: pipeline["flows"][name] for name in FLOWS if name != "everything"}
    total = {"sql": "SELECT count(*) AS n, sum(v) AS total FROM latest"}
    flows["everything"] = {"inputs": ["latest"], "transform": total, "incremental": "full"}
    del pipeline["sources"]["notes"]
    text = yaml.safe_dump(pipeline | {"flows": flows, "run": {"max_concurrent_flows": 1}}, sort_keys=False)
    (root / "pipelines" / "chain.yml").write_text(text, encoding="utf-8")
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
