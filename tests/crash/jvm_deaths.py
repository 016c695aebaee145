"""Runs in a session of ours whose JVM is killed under them: `python -m tests.crash.jvm_deaths [FILE]` at every point, in both modes.

With ETL_JVM_DEATHS=<number> only at so many points, the first of them.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import etl
from etl.config.load import load
from etl.engine.crash_points import Point, armed
from etl.engine.session_gateway import launched
from etl.engine.sessions import Sessions
from etl.operations.run import run
from tests.changing_cases import land
from tests.conftest import LITTLE_DATA
from tests.crash_cases import FLOWS, actual, model, some_events, write_project
from tests.leftovers import left_behind

if TYPE_CHECKING:
    from etl.config.spec import Mode
    from tests.changing_cases import Row

# Where each point is met: by a flow that comes there in the mode.
_BOTH = {
    Point.LOCKED: "latest",
    Point.EPOCH_OFFERED: "clean",
    Point.OUTPUT_MADE: "top_two",
    Point.STATE_COMMITTING: "latest",
    Point.STATE_COMMITTED: "versions",
    Point.QUARANTINE_COMMITTED: "top_two",
    Point.TARGET_COMMITTING: "latest",
    Point.TARGET_COMMITTED: "clean",
    Point.COUNTS_RECORDED: "everything",
    Point.STREAM_OPENED: "versions",
    Point.STREAM_ENDED: "latest",
    Point.FLOW_DONE: "clean",
    Point.RUN_DONE: "everything",
}
CASES: list[tuple[Mode, Point, str]] = [
    ("stream", Point.TARGET_COMMITTING, "latest"),
    ("batch", Point.OUTPUT_MADE, "top_two"),
    ("stream", Point.RUN_DONE, "everything"),
    *(("stream", point, flow) for point, flow in _BOTH.items()),
    *(("batch", point, flow) for point, flow in _BOTH.items()),
    ("batch", Point.GENERATION_OPENED, "clean"),
]
OUTSIDE = {Point.LOCKED, Point.FLOW_DONE, Point.RUN_DONE}  # no attempt is under way there, so none is lost
NUMBER = int(os.environ.get("ETL_JVM_DEATHS", "3"))


def kill_jvm() -> None:
    """SIGKILL to the JVM that was started last, and nothing of ours is asked."""
    process = launched()[-1].process
    process.send_signal(signal.SIGKILL)
    process.wait()


def play(cases: list[tuple[Mode, Point, str]], root: Path, say: Callable[[str], None]) -> list[str]:
    """Kill the JVM at each point; what was not as it must be afterwards."""
    write_project(root)
    settings = {"spark": {"conf": dict(LITTLE_DATA)}, "run": {"retry": {"min_retry_interval": "0.1 seconds"}}}
    (root / "conf").mkdir(exist_ok=True)
    (root / "conf" / "local.yml").write_text(json.dumps(settings), encoding="utf-8")
    os.chdir(root)
    spec = load("chain")
    sessions = Sessions(spec.spark, storage=spec.storage, app_name="deaths", short=True)
    dice = random.Random(7)
    events: list[Row | str] = []
    wrong: list[str] = []
    try:
        _arrive(root, dice, events, 0)
        first = run(spec, mode="stream", sessions=sessions)
        assert first.status == "succeeded", first
        for number, (mode, point, flow) in enumerate(cases, 1):
            _arrive(root, dice, events, number)
            before = FLOWS[: FLOWS.index(flow)]
            if before:
                run(spec, mode=mode, include=before, sessions=sessions)
            began = time.monotonic()
            with armed(point, deed=kill_jvm) as met:
                result = run(spec, mode=mode, include=[flow], sessions=sessions)
            (told,) = result.flows
            spent = time.monotonic() - began
            rest = run(spec, mode=mode, sessions=sessions)
            found, wanted = actual(root), model(events)
            wrong += [
                f"{number} {mode} {flow} at {point}: {what}"
                for what in (
                    *([] if met.crashed else ["never came there"]),
                    *([] if told.status == "succeeded" else [f"{told.status}: {told.failure}"]),
                    *([] if told.attempts == (1 if point in OUTSIDE else 2) else [f"{told.attempts} attempts"]),
                    *([] if rest.status in ("succeeded", "unchanged") else [f"afterwards {rest}"]),
                    *(f"{name}: {found[name]}, not {rows}" for name, rows in wanted.items() if found[name] != rows),
                    *([] if (root / ".etl/local/history/chain" / f"{result.run_id}.json").exists() else ["no record"]),
                )
            ]
            say("\n".join([f"{number}/{len(cases)} {mode} {flow} at {point}: {spent:.1f} s", *wrong]))
    finally:
        sessions.close()
    wrong += [f"left behind: {item}" for item in left_behind(root / ".etl" / "local")]
    wrong += [] if etl.load("chain").audit().holds else ["the audit does not hold"]
    return wrong


def _arrive(root: Path, dice: random.Random, events: list[Row | str], number: int) -> None:
    new = some_events(dice, 9)  # enough for every flow to have something to do
    events += new
    land(root, "events", f"{number}.json", new)


def main() -> int:
    """Play them all; the JVMs that are left count as wrong, too."""
    root = Path(tempfile.mkdtemp(prefix="deaths-"))
    cases = CASES[:NUMBER] if "ETL_JVM_DEATHS" in os.environ else CASES
    wrong = play(cases, root, _say)
    wrong += [f"process {pid} is left" for pid in _children()]
    _say("\n".join([f"{len(cases)} JVMs killed: {len(wrong)} wrong", *wrong]))
    if not wrong:
        shutil.rmtree(root)
    return 1 if wrong else 0


def _children() -> Iterator[int]:
    """The processes that this one has started and that live."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == os.getpid() and fields[0] != "Z":
            yield int(status.parent.name)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
