"""What a micro-batch of 1,000 rows takes: `etl run` against Structured Streaming by hand, with the same settings and with Spark's own.

    python -m benchmarks.epochs [--epochs 60] [--rounds 5] [--flow append --flow merge --flow merge_deletes]

Each contestant drains the same files of JSON, one an epoch, in a process of its own, in turn. An epoch's time is what lies between two commits in the log of its target; the median of
those after the first 20, in which the JVM warms up, counts. Prints each round and the medians of the rounds' ratios, and exits 1 where one is above its limit or the outputs differ.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.json_to_delta import HERE, difference
from benchmarks.process import Taken, ran

LIMITS = {"append": (0.65, 0.20), "merge": (0.75, float("inf")), "merge_deletes": (1.0, float("inf"))}
"""Flow → at most so much of the same by hand with the same settings, and with Spark's own."""

_SETTINGS = ("same", "stock")
_ROWS, _KEYS, _WARM_UP, _SEED = 1_000, 20_000, 20, 20131101
_DAY = 86_400
PIPELINE = """\
version: 1
name: epochs
sources:
  readings:
    {format: json, path: landing, schema: "id BIGINT, at TIMESTAMP, celsius DOUBLE, gone BOOLEAN, site STRING", rate_limit: {files: 1}}
x-rules: &rules
  measured: {expr: celsius BETWEEN -60 AND 60, on_violation: drop}
  placed: {expr: site IS NOT NULL, on_violation: drop}
defaults: {flow: {inputs: [readings], incremental: rows}}
flows:
  append:
    transform: {sql: "SELECT id, at, round(celsius, 1) AS celsius, upper(site) AS site FROM readings"}
    expectations: *rules
  merge:
    transform: {sql: "SELECT id, at, round(celsius, 1) AS celsius, upper(site) AS site FROM readings"}
    sink: {strategy: merge, keys: [id], sequence_by: at}
  merge_deletes:
    transform: {sql: "SELECT id, at, round(celsius, 1) AS celsius, gone FROM readings"}
    sink: {strategy: merge, keys: [id], sequence_by: at, delete_when: gone, except_columns: [gone]}
"""


def land(folder: Path, files: int) -> None:
    """Files of `_ROWS` readings each, of sensors that return; no two are of one instant."""
    folder.mkdir(parents=True)
    chance = random.Random(_SEED)  # noqa: S311  # data to measure with, no secret
    start, number = datetime(2013, 1, 1, tzinfo=UTC), 0
    for file in range(files):
        lines = []
        for _ in range(_ROWS):
            number += 1
            reading = {
                "id": chance.randrange(_KEYS),
                "at": (start + timedelta(seconds=chance.randrange(_DAY), microseconds=number)).isoformat(),
                "celsius": round(chance.uniform(-70, 70), 3),
                "gone": chance.random() < 0.05,  # one in twenty
                "site": chance.choice(["roof", "hall", "yard", None]),
            }
            lines.append(json.dumps(reading))
        (folder / f"{file:05d}.json").write_text("\n".join(lines) + "\n", encoding="utf-8")


def epoch_ms(table: Path) -> float:
    """The median of milliseconds between two commits, after those in which the JVM warms up."""
    stamps = []
    for file in sorted((table / "_delta_log").glob("*.json")):
        actions = map(json.loads, file.read_text(encoding="utf-8").splitlines())
        stamps += [int(action["commitInfo"]["timestamp"]) for action in actions if "commitInfo" in action]
    gaps = [after - before for before, after in itertools.pairwise(stamps)]
    return statistics.median(gaps[_WARM_UP:])


def by_etl(project: Path, flow: str) -> Taken:
    shutil.rmtree(project / ".etl", ignore_errors=True)
    command = [sys.executable, "-m", "etl", "run", "epochs", "--select", flow, "--mode", "stream", "--json"]
    return ran(command, project)


def by_hand(project: Path, flow: str, settings: str) -> Taken:
    shutil.rmtree(project / "by_hand", ignore_errors=True)
    return ran([sys.executable, str(HERE / "peers" / "epochs.py"), flow, settings, "landing", "by_hand"], project)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.epochs", description=__doc__)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flow", action="append", choices=tuple(LIMITS))
    parser.add_argument("--settings", action="append", choices=_SETTINGS)
    chosen = parser.parse_args()
    passed = True
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        project = Path(scratch)
        (project / "pipelines").mkdir()
        (project / "pipelines" / "epochs.yml").write_text(PIPELINE, encoding="utf-8")
        land(project / "landing", chosen.epochs)
        for flow in chosen.flow or LIMITS:
            passed &= _compare(project, flow, chosen.settings or _SETTINGS, chosen.rounds)
    return 0 if passed else 1


def _compare(project: Path, flow: str, settings: list[str] | tuple[str, ...], rounds: int) -> bool:
    """Print each round and the medians of one flow; whether they are within the limits and all wrote the same rows."""
    ratios: dict[str, list[float]] = {name: [] for name in settings}
    equal = True
    ours, theirs = project / ".etl/local/tables/epochs" / flow, project / "by_hand" / "target"
    for number in range(rounds):
        taken = by_etl(project, flow)
        ours_ms = epoch_ms(ours)
        shown = [f"etl run {ours_ms:.0f} ms an epoch, {taken}"]
        for name in settings:
            taken = by_hand(project, flow, name)
            theirs_ms = epoch_ms(theirs)
            ratios[name].append(ours_ms / theirs_ms)
            shown.append(f"{name} settings {theirs_ms:.0f} ms, {taken}")
            equal &= difference(ours, theirs) == 0
        print(f"{flow}, round {number + 1}: {'; '.join(shown)}", flush=True)
    passed = equal
    for name in settings:
        limit, median = LIMITS[flow][_SETTINGS.index(name)], statistics.median(ratios[name])
        passed &= median <= limit
        print(
            f"{flow}: an epoch of etl run ÷ by hand, {name} settings: {median:.2f} ({min(ratios[name]):.2f} to {max(ratios[name]):.2f}), limit {limit}, "
            f"{'equal outputs' if equal else 'OUTPUTS DIFFER'}: {'passed' if equal and median <= limit else 'FAILED'}",
            flush=True,
        )
    return passed


if __name__ == "__main__":
    sys.exit(main())
