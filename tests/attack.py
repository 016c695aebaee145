"""`make attack`: generated pipelines against the model for hours, one seed after another, going on where it was stopped.

What is done stands in `.attack/seeds.jsonl`, a line a seed. A failure is printed with the command that runs its seed alone, and ends
the attack with exit code 1 when its time is over.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from etl.config.spec import SparkSpec
from etl.engine.session import open_session
from tests.generated.flows import Cell, histogram, legal_cells
from tests.generated.trial import Trial, trial

_DONE = Path(".attack", "seeds.jsonl")


def main() -> int:
    """Run seeds until the time is over; 1 where a table was not the model's."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long to go on")
    parser.add_argument("--seed", type=int, help="run this seed alone, and record nothing")
    parser.add_argument("--chosen", default="[]", help="the cells that were filled before it, as a failure prints them")
    asked = parser.parse_args()
    handle = open_session(SparkSpec(), app_name="attack", short=True)
    try:
        if asked.seed is not None:
            chosen = Counter({(str(a), str(b), str(c)): int(count) for a, b, c, count in json.loads(asked.chosen)})
            return 0 if _run(asked.seed, chosen) is not None else 1
        return _until(time.monotonic() + asked.hours * 3600)
    finally:
        handle.close()


def _until(deadline: float) -> int:
    _DONE.parent.mkdir(exist_ok=True)
    done = list(_recorded())
    chosen: Counter[Cell] = Counter()
    for item in done:
        chosen.update(item.cells)
    seed, cases, failed = max((item.seed for item in done), default=0) + 1, sum(item.cases for item in done), 0
    while time.monotonic() < deadline:
        found = _run(seed, chosen)
        if found is None:
            failed += 1
        else:
            chosen, cases = chosen + found.cells, cases + found.cases
            _record(found)
        print(f"seed {seed}: {cases} flow-cases, {failed} seeds failed", flush=True)
        seed += 1
    empty = [cell for cell in legal_cells() if not chosen[cell]]
    print(f"{cases} flow-cases; {len(empty)} legal cells without one\n{histogram(chosen)}")
    return 1 if failed else 0


def _run(seed: int, chosen: Counter[Cell]) -> Trial | None:
    """The seed's trial; None, with the difference told, where it failed."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        try:
            return trial(seed, Path(folder), chosen)
        except AssertionError as cause:
            print(f"seed {seed} FAILED: {cause}\n{Path(folder, 'pipelines', 'generated.yml').read_text()}", flush=True)
            return None


def _recorded() -> Iterator[Trial]:
    for line in _DONE.read_text(encoding="utf-8").splitlines() if _DONE.exists() else []:
        item = json.loads(line)
        cells = Counter({(str(a), str(b), str(c)): int(count) for a, b, c, count in item["cells"]})
        yield Trial(item["seed"], item["cases"], item["checks"], cells)


def _record(done: Trial) -> None:
    cells = [[*cell, count] for cell, count in sorted(done.cells.items())]
    line = json.dumps({"seed": done.seed, "cases": done.cases, "checks": done.checks, "cells": cells})
    with _DONE.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
