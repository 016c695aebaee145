"""`make attack`: generated pipelines against the model for hours, one seed after another, going on where it was stopped.

What is done stands in `.attack/seeds.jsonl`, a line a seed, with the commit that it ran on. A failure is printed with the command that
runs its seed alone; a later attack tries it again first. An attack that leaves a failure ends with exit code 1, one whose Spark is gone with 4.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from etl.config.spec import SparkSpec
from etl.engine.session.start import SessionHandle, open_session
from tests.conftest import LITTLE_DATA
from tests.generated.flows import Cell, histogram, legal_cells
from tests.generated.trial import Trial, trial

_DONE = Path(".attack", "seeds.jsonl")
_WAYS = "2,4"


@dataclass(frozen=True, slots=True)
class Asked:
    """One seed to run: all that its trial depends on."""

    seed: int
    ways: tuple[int, ...]
    chosen: Counter[Cell]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A line of what is done: a trial, or a failure that nothing has made good yet."""

    asked: Asked
    trial: Trial | None


def main() -> int:
    """Run seeds until the time is over; 1 where a table was not the model's."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="how long to go on")
    parser.add_argument(
        "--ways", default=_WAYS, help="schedules of a seed: ways on after its first run, its second, ..."
    )
    parser.add_argument("--seed", type=int, help="run this seed alone, and record nothing")
    parser.add_argument("--chosen", default="[]", help="the cells that were filled before it, as a failure prints them")
    given = parser.parse_args()
    ways = tuple(int(way) for way in given.ways.split(","))
    handle = open_session(SparkSpec(conf=LITTLE_DATA), app_name="attack", short=False)
    try:
        if given.seed is not None:
            return 0 if _run(Asked(given.seed, ways, _counter(json.loads(given.chosen))), handle) is not None else 1
        return _until(time.monotonic() + given.hours * 3600, ways, handle)
    finally:
        handle.close()


def _until(deadline: float, ways: tuple[int, ...], handle: SessionHandle) -> int:
    _DONE.parent.mkdir(exist_ok=True)
    done = {item.asked.seed: item for item in _recorded()}  # of a seed that was tried twice the later counts
    again = [item.asked for item in done.values() if item.trial is None]
    while time.monotonic() < deadline:
        trials = [item.trial for item in done.values() if item.trial is not None]
        chosen = sum((item.cells for item in trials), Counter[Cell]())
        asked = again.pop() if again else Asked(max(done, default=0) + 1, ways, chosen)
        began = time.monotonic()
        done[asked.seed] = Recorded(asked, _run(asked, handle))
        _record(done[asked.seed])
        print(f"seed {asked.seed}: {time.monotonic() - began:.0f} s; {_told(done.values())}", flush=True)
    chosen = sum((item.trial.cells for item in done.values() if item.trial is not None), Counter[Cell]())
    empty = [cell for cell in legal_cells() if not chosen[cell]]
    print(f"{_told(done.values())}; {len(empty)} legal cells without a flow\n{histogram(chosen)}")
    return 1 if any(item.trial is None for item in done.values()) else 0


def _told(done: Iterable[Recorded]) -> str:
    trials = [item.trial for item in done]
    ended = [item for item in trials if item is not None]
    cases, checks = sum(item.cases for item in ended), sum(item.checks for item in ended)
    return (
        f"{cases} flow-cases of {len(ended)} seeds, {checks} tables compared; {len(trials) - len(ended)} seeds failed"
    )


def _run(asked: Asked, handle: SessionHandle) -> Trial | None:
    """The seed's trial; None, with the difference told, where it failed."""
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        try:
            return trial(
                asked.seed, Path(folder), asked.chosen, ways=asked.ways, forget=lambda: forget_tables(handle.spark)
            )
        except AssertionError as cause:
            if not _answers(handle.spark):
                print(f"Spark is gone, so seed {asked.seed} is not judged: {handle.last_words()}", file=sys.stderr)
                sys.exit(4)
            print(
                f"seed {asked.seed} FAILED: {cause}\n{Path(folder, 'pipelines', 'generated.yml').read_text()}",
                flush=True,
            )
            return None


def _answers(spark: SparkSession) -> bool:
    try:
        return spark.range(1).count() == 1
    except Exception:  # noqa: BLE001  # whatever it is, the tables say nothing about the pipeline then
        return False


def forget_tables(spark: SparkSession) -> None:
    """Make Delta read its logs again: it keeps them in memory by their paths, where other files are now."""
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]  # noqa: SLF001  # no public way; py4j is untyped


def _counter(cells: list[list[Any]]) -> Counter[Cell]:
    return Counter({(str(a), str(b), str(c)): int(count) for a, b, c, count in cells})


def _listed(cells: Counter[Cell]) -> list[list[Any]]:
    return [[*cell, count] for cell, count in sorted(cells.items())]


def _recorded() -> Iterator[Recorded]:
    for line in _DONE.read_text(encoding="utf-8").splitlines() if _DONE.exists() else []:
        item = json.loads(line)
        asked = Asked(item["seed"], tuple(item["ways"]), _counter(item["chosen"]))
        cells = _counter(item["cells"])
        yield Recorded(asked, None if item["failed"] else Trial(asked.seed, item["cases"], item["checks"], cells))


def _record(done: Recorded) -> None:
    asked, found = done.asked, done.trial or Trial(done.asked.seed, 0, 0, Counter())
    line = {
        "seed": asked.seed,
        "ways": asked.ways,
        "failed": done.trial is None,
        "cases": found.cases,
        "checks": found.checks,
        "cells": _listed(found.cells),
        "chosen": _listed(asked.chosen) if done.trial is None else [],
        "commit": _COMMIT,
    }
    with _DONE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _commit() -> str:
    """The commit that is checked out, with a star where files differ from it; empty where git does not tell."""
    command = ["git", "describe", "--always", "--dirty=*", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


_COMMIT = _commit()

if __name__ == "__main__":
    sys.exit(main())
