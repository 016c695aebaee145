"""One seed: a generated pipeline over generated rows, by a random schedule of portions and modes, against the model."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import etl
from tests.generated.flows import Cell, Dice, Pipeline, Rows, Table, names_csv
from tests.generated.operators import COLUMNS
from tests.independent import rows, stamps

FLOWS = 10


@dataclass(frozen=True, slots=True)
class Trial:
    """What a seed was about."""

    seed: int
    cases: int  # flows, each under this one schedule
    checks: int  # tables compared after a run
    cells: Counter[Cell]


def trial(seed: int, root: Path, chosen: Counter[Cell] | None = None) -> Trial:
    """Run the seed in an empty folder; AssertionError, with the command that does it again, where a table is another than the model's.

    `chosen`: the cells of the histogram that earlier seeds have filled; the seed prefers the others.
    """
    dice = Dice(seed, Counter(chosen or {}))
    before = Counter(dice.chosen)
    pipeline = dice.pipeline(FLOWS)
    _write(root, pipeline)
    seen: Rows = []
    modes: list[str] = []
    checks = 0
    earlier = json.dumps([[*cell, count] for cell, count in sorted(before.items())], separators=(",", ":"))
    again = f"python -m tests.attack --seed {seed} --chosen '{earlier}'"
    for arrival in range(dice.random.randrange(2, 4)):
        new = dice.events(dice.random.randrange(4, 22))
        for part, portion in enumerate(dice.dealt(new, dice.random.randrange(1, 4))):
            _land(root, f"{dice.random.randrange(10**6):06}-{arrival}-{part}.json", portion)
        seen += new
        modes.append(dice.random.choice(["batch", "stream", "stream"]))
        result = etl.load(root / "pipelines" / "generated.yml").run(mode=modes[-1])
        failures = [(flow.flow, flow.failure) for flow in result.flows if flow.failure]
        assert result.status == "succeeded", (again, modes, failures)
        for name, expected in pipeline.model(seen).items():
            found = actual(root, name)
            checks += 1
            assert found == expected, (again, modes, name, {"found": found, "expected": expected})
    spec = etl.load(root / "pipelines" / "generated.yml")
    audit = spec.audit()
    assert audit.holds, (again, modes, audit)
    for flow in pipeline.flows:
        assert all(stamps(_storage(root) / "tables" / "generated" / flow.name)), (again, flow.name)
    assert spec.run(mode=dice.random.choice(["batch", "stream"])).status == "unchanged", (again, modes)
    return Trial(seed, len(pipeline.flows), checks, dice.chosen - before)


def actual(root: Path, name: str) -> Table:
    """A table, or `<flow> quarantine`, read by the independent reader; nothing where it was never made."""
    flow, _, quarantine = name.partition(" ")
    if not quarantine:
        return rows(_storage(root) / "tables" / "generated" / flow)
    place = _storage(root) / "quarantine" / "generated" / flow
    return rows(place, ", ".join(("_etl_reason", *COLUMNS))) if (place / "_delta_log").is_dir() else []


def _storage(root: Path) -> Path:
    return root / ".etl" / "local"


def _write(root: Path, pipeline: Pipeline) -> None:
    shutil.rmtree(root / ".etl", ignore_errors=True)
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "landing" / "events").mkdir(parents=True, exist_ok=True)
    (root / "landing" / "names.csv").write_text(names_csv(), encoding="utf-8")
    (root / "pipelines" / "generated.yml").write_text(pipeline.yaml(), encoding="utf-8")


def _land(root: Path, name: str, portion: Rows) -> None:
    """One file, whole at once."""
    draft = root / "landing" / f".{name}"
    draft.write_text("".join(json.dumps(row) + os.linesep for row in portion), encoding="utf-8")
    draft.replace(root / "landing" / "events" / name)
