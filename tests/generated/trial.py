"""One seed: a generated pipeline over generated rows, by random schedules of portions and modes, against the model.

The schedules of a seed are a tree: its first runs are made once, and what they left is gone on from in several ways, so that a schedule
costs little more than its own last runs. Each way from the root to a leaf is one schedule, whose tables are compared after every run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import etl
from tests.generated.flows import Cell, Dice, Pipeline, Table, names_csv
from tests.generated.operators import COLUMNS, Rows
from tests.support.going_on import run_in
from tests.support.independent import rows, stamps

FLOWS = 10
CHAIN = (1, 1)
"""Ways on after the first run, and after the second: one schedule of three runs."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a seed was about."""

    seed: int
    cases: int  # flows, each counted once under each whole schedule
    checks: int  # tables compared after a run
    cells: Counter[Cell]  # those that its flows fill


def trial(
    seed: int,
    root: Path,
    chosen: Counter[Cell] | None = None,
    *,
    ways: Sequence[int] = CHAIN,
    forget: Callable[[], None] = lambda: None,
) -> Trial:
    """Run the seed in an empty folder; AssertionError, with the command that does it again, where a table is another than the model's.

    `chosen`: the cells of the histogram that earlier seeds have filled; the seed prefers the others. `ways`: how often it goes on from
    what the first run left, the second, and so on. `forget`: called whenever files of before are back, for what is held in memory.
    """
    dice = Dice(seed, Counter(chosen or {}))
    before = Counter(dice.chosen)
    pipeline = dice.pipeline(FLOWS)
    _write(root, pipeline)
    earlier = json.dumps([[*cell, count] for cell, count in sorted(before.items())], separators=(",", ":"))
    again = f"python -m tests.attack --seed {seed} --ways {','.join(map(str, ways))} --chosen '{earlier}'"
    tree = _Tree(dice, pipeline, root, again, forget)
    tree.grow([], [], list(ways))
    return Trial(seed, tree.leaves * len(pipeline.flows), tree.checks, dice.chosen - before)


@dataclass(slots=True)
class _Tree:
    dice: Dice
    pipeline: Pipeline
    root: Path
    again: str
    forget: Callable[[], None]
    leaves: int = 0
    checks: int = 0

    def grow(self, seen: Rows, modes: list[str], ways: list[int]) -> None:
        """New rows, a run, the comparison; from what it left, every way on."""
        seen = [*seen, *self._arrive(len(modes))]
        modes = [*modes, self.dice.random.choice(["batch", "stream", "continuous"])]
        result = run_in(modes[-1], self._file)
        failures = [(flow.flow, flow.failure) for flow in result.flows if flow.failure]
        assert result.status == "succeeded", (self.again, modes, failures)
        for name, expected in self.pipeline.model(seen).items():
            found = actual(self.root, name)
            self.checks += 1
            assert found == expected, (self.again, modes, name, {"found": found, "expected": expected})
        if not ways:
            self._end(modes)
        for way in range(ways[0] if ways else 0):
            if way < ways[0] - 1:
                _keep(self.root, f"kept-{len(modes)}")
            self.grow(seen, modes, ways[1:])
            if way < ways[0] - 1:
                _bring_back(self.root, f"kept-{len(modes)}")
                self.forget()

    def _arrive(self, number: int) -> Rows:
        few = number > 0 and self.dice.random.random() < 0.5  # so that most groups are left alone
        new = self.dice.events(self.dice.random.randrange(1, 4) if few else self.dice.random.randrange(4, 22), number)
        for part, portion in enumerate(self.dice.dealt(new, self.dice.random.randrange(1, 4))):
            _land(self.root, f"{self.dice.random.randrange(10**6):06}-{number}-{part}.json", portion)
        return new

    def _end(self, modes: list[str]) -> None:
        spec = etl.load(self._file)
        audit = spec.audit()
        assert audit.holds, (self.again, modes, audit)
        for flow in self.pipeline.flows:
            assert all(stamps(_storage(self.root) / "tables" / "generated" / flow.name)), (self.again, flow.name)
        assert spec.run(mode=self.dice.random.choice(["batch", "stream"])).status == "unchanged", (self.again, modes)
        self.leaves += 1

    @property
    def _file(self) -> Path:
        return self.root / "pipelines" / "generated.yml"


def actual(root: Path, name: str) -> Table:
    """A table, or `<flow> quarantine`, read by the independent reader; nothing where it was never made."""
    flow, _, quarantine = name.partition(" ")
    if not quarantine:
        return rows(_storage(root) / "tables" / "generated" / flow)
    place = _storage(root) / "quarantine" / "generated" / flow
    return rows(place, ", ".join(("_etl_reason", *COLUMNS))) if (place / "_delta_log").is_dir() else []


def _storage(root: Path) -> Path:
    return root / ".etl" / "local"


_MOVING = (".etl", "landing")


def _keep(root: Path, name: str) -> None:
    for part in _MOVING:
        shutil.copytree(root / part, root / name / part)


def _bring_back(root: Path, name: str) -> None:
    """Files and times as they were; the places are absolute in checkpoints, so it must be the same folder."""
    for part in _MOVING:
        shutil.rmtree(root / part)
        (root / name / part).rename(root / part)
    shutil.rmtree(root / name)


def _write(root: Path, pipeline: Pipeline) -> None:
    shutil.rmtree(root / ".etl", ignore_errors=True)
    (root / "pipelines").mkdir(parents=True, exist_ok=True)
    (root / "landing" / "events").mkdir(parents=True, exist_ok=True)
    (root / "landing" / "names.csv").write_text(names_csv(), encoding="utf-8")
    (root / "pipelines" / "generated.yml").write_text(pipeline.yaml(), encoding="utf-8")


def _land(root: Path, name: str, portion: Rows) -> None:
    """One file, whole at once."""
    draft = root / "landing" / f".{name}"
    lines = ({**row, "at": datetime.fromtimestamp(row["at"], UTC).isoformat()} for row in portion)
    draft.write_text("".join(json.dumps(line) + os.linesep for line in lines), encoding="utf-8")
    draft.replace(root / "landing" / "events" / name)
