"""Runs of flows side by side, each count of each held against what it must be: `python -m tests.support.counting RUNS`, in a session of ours."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.load import load
from etl.engine.session.shared import Sessions
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.conftest import LITTLE_DATA

if TYPE_CHECKING:
    from etl.config.spec import Mode

RUNS = int(
    os.environ.get("ETL_COUNT_RUNS", "4")
)  # at full size 100 in a session of the user's, and as many in one of ours

PIPELINE = """
version: 1
name: counts
sources:
  src: {format: json, path: in, schema: "id INT, k STRING, n DOUBLE"}
  clicks: {format: json, path: clicks, schema: "at TIMESTAMP, who STRING", rate_limit: {files: 1}}
flows:
  m: {inputs: [src], incremental: rows, transform: {sql: "SELECT n, id FROM src"}, sink: {strategy: merge, keys: [n], sequence_by: [id]}}
  k: {inputs: [src], incremental: rows, transform: {sql: "SELECT k, id FROM src"}, sink: {strategy: merge, keys: [k], sequence_by: [id]}}
  i: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, n FROM src"}, sink: {strategy: merge, keys: [id], sequence_by: [id]}}
  closed:
    inputs: [clicks]
    transform: {sql: "SELECT window(at, '10 minutes').start AS at, who, count(*) AS n FROM clicks GROUP BY window(at, '10 minutes'), who"}
    incremental: {state: {watermark: at, delay: 10 minutes}}
"""
ROWS = {
    "1.json": '{"id":1,"k":"a","n":1.5}\n{"id":2,"k":"b","n":0.0}\n',
    "2.json": '{"id":3,"k":"a","n":-0.0}\n{"id":4,"k":null,"n":2.5}\n',
}
MINUTES = ((1, 2), (40, 41), (3, 4, 42), (5, 90), (6, 7, 91))  # a file each; 3, 4, 5, 6 and 7 come after the watermark
# (read, written, merged, late) of each flow
WANTED = {"m": (4, 3, 1, 0), "k": (4, 3, 1, 0), "i": (4, 4, 0, 0)}
STREAMED, WHOLE = {"closed": (12, 2, 0, 5)}, {"closed": (12, 2, 0, 0)}
# A quick plan of few partitions; how Spark runs a query when nobody has said anything.
WAYS: tuple[dict[str, str], ...] = (
    {**dict(LITTLE_DATA), "spark.sql.adaptive.enabled": "false"},
    {**dict(LITTLE_DATA), "spark.sql.adaptive.enabled": "true"},
    {"spark.sql.adaptive.enabled": "true", "spark.sql.shuffle.partitions": "5"},
)
MODES: tuple[Mode, ...] = ("batch", "stream")


def write_project(root: Path) -> None:
    """The pipeline with its files, each newer than the one before."""
    for name, text in {"pipelines/counts.yml": PIPELINE, **{f"in/{name}": text for name, text in ROWS.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    (root / "clicks").mkdir()
    for number, minutes in enumerate(MINUTES):
        file = root / "clicks" / f"{number}.json"
        lines = [
            json.dumps({"at": f"2024-01-01T{8 + minute // 60:02}:{minute % 60:02}:00Z", "who": "a"})
            for minute in minutes
        ]
        file.write_text("\n".join(lines), encoding="utf-8")
        os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))


def count(root: Path, runs: int, say: Callable[[str], None] = lambda _: None) -> tuple[Counter[str], list[str]]:
    """Run the pipeline from nothing so often, in every way in turn; what was run, and each count that was wrong."""
    spec = load(str(root / "pipelines" / "counts.yml"))
    ways = [
        Sessions(spec.spark, storage=spec.storage, app_name="counts", short=True, settings=tuple(way.items()))
        for way in WAYS
    ]
    done: Counter[str] = Counter()
    wrong: list[str] = []
    try:
        for number in range(runs):
            way, mode = number % len(WAYS), MODES[number // len(WAYS) % 2]
            shutil.rmtree(root / ".etl", ignore_errors=True)
            result = run(spec, RunRequest(mode=mode), sessions=ways[way])
            wanted = WANTED | (STREAMED if mode == "stream" else WHOLE)
            for flow in result.flows:
                found = (flow.counts.read, flow.counts.written, flow.counts.merged, flow.counts.late)
                if flow.failure is not None or found != wanted[flow.flow]:
                    wrong.append(f"{mode} {flow.flow} way {way}: {found}, not {wanted[flow.flow]} {flow.failure or ''}")
            done[f"{mode}, AQE {WAYS[way]['spark.sql.adaptive.enabled']}"] += 1
            say(f"{number + 1}: {mode}, way {way}: {len(wrong)} counts wrong so far")
    finally:
        for sessions in reversed(ways):  # the first may be the one that started the JVM
            sessions.close()
    return done, wrong


def told(done: Counter[str], wrong: list[str], session: str) -> str:
    """What a person reads of it."""
    runs = ", ".join(f"{number} {way}" for way, number in sorted(done.items()))
    return "\n".join([f"{sum(done.values())} runs in {session} ({runs}): {len(wrong)} counts wrong", *wrong])


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> int:
    """Count in a session of ours."""
    root = Path(tempfile.mkdtemp(prefix="counting-"))
    write_project(root)
    os.chdir(root)
    done, wrong = count(root, int(sys.argv[1]), _say)
    sys.stdout.write(told(done, wrong, "a session of ours") + "\n")
    shutil.rmtree(root)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
