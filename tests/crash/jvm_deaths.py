"""Runs in a session of ours whose JVM is killed under them: `python -m tests.crash.jvm_deaths [FILE]` at every point, in both modes.

With ETL_JVM_DEATHS=<number> only at so many points, the first of them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.load import load
from etl.engine.crash_points import Point, armed
from etl.engine.session.gateway import launched
from etl.engine.session.shared import Sessions
from etl.errors import FlowFailed
from etl.operations.audit import audit
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.crash.death_cases import PIPELINES, Landed, before
from tests.support.crash_cases import FLOWS
from tests.support.leftovers import left_behind

if TYPE_CHECKING:
    from etl.config.spec import Mode
    from etl.planning.results import RunResult

# Where each point is met: by flows that come there in both modes.
_BOTH = {
    Point.LOCKED: ("latest",),
    Point.EPOCH_OFFERED: ("clean", "closed"),
    Point.OUTPUT_MADE: ("top_two", "now"),
    Point.STATE_COMMITTING: ("latest", "closed"),
    Point.STATE_COMMITTED: ("versions", "now"),
    Point.QUARANTINE_COMMITTED: ("top_two",),
    Point.TARGET_COMMITTING: ("latest", "closed"),
    Point.TARGET_COMMITTED: ("clean", "latest", "top_two", "versions", "everything", "closed", "now"),
    Point.COUNTS_RECORDED: ("everything", "closed"),
    Point.STREAM_OPENED: ("versions", "now"),
    Point.STREAM_ENDED: ("latest", "closed"),
    Point.NOTHING_STREAMED: ("nothing",),
    Point.ATTEMPT_FAILED: ("clean", "closed"),
    Point.FLOW_DONE: ("clean",),
    Point.RUN_DONE: ("everything",),
}
_STREAM = {Point.COLUMNS_ADDED: ("latest", "closed")}
_BATCH = {Point.GENERATION_OPENED: ("clean", "closed"), Point.HOLDING: ("closed", "now"), Point.HELD: ("now",)}


def _cases(mode: Mode, more: dict[Point, tuple[str, ...]]) -> Iterator[tuple[Mode, Point, str]]:
    yield from ((mode, point, flow) for point, flows in (_BOTH | more).items() for flow in flows)


CASES: list[tuple[Mode, Point, str]] = [
    ("stream", Point.TARGET_COMMITTED, "clean"),
    ("batch", Point.HELD, "closed"),
    ("stream", Point.RUN_DONE, "everything"),
    *_cases("stream", _STREAM),
    *_cases("batch", _BATCH),
]
# No attempt is under way at the first three, so none is lost; after the others what is left to do may need no JVM.
ATTEMPTS = {
    **dict.fromkeys((Point.LOCKED, Point.FLOW_DONE, Point.RUN_DONE), (1,)),
    **dict.fromkeys((Point.COUNTS_RECORDED, Point.STREAM_ENDED), (1, 2)),
}
NUMBER = int(os.environ.get("ETL_JVM_DEATHS", "2"))


def kill_jvm() -> None:
    """SIGKILL to the JVM that was started last, and nothing of ours is asked."""
    process = launched()[-1].process
    process.send_signal(signal.SIGKILL)
    process.wait()


def play(cases: list[tuple[Mode, Point, str]], root: Path, say: Callable[[str], None]) -> list[str]:
    """Kill the JVM at each point; what was not afterwards as it is in a project that nobody disturbs, and as the model says."""
    landed = Landed(root / "deaths", root / "undisturbed")
    died, undisturbed = (
        {name: load(str(project / f"pipelines/{name}.yml")) for name in PIPELINES} for project in landed.roots
    )
    sessions = Sessions(died["chain"].spark, storage=died["chain"].storage, app_name="deaths", short=True)
    wrong: list[str] = []
    played = {flow for _, _, killed in cases for flow in (*before(killed), killed)}
    everything = {
        name: RunRequest(mode="stream", select=chosen)
        for name in PIPELINES
        if (chosen := [flow.name for flow in died[name].flows if flow.name in played])
    }
    try:
        landed.arrive()
        for specs in (died, undisturbed):
            for name, request in everything.items():
                assert run(specs[name], request, sessions=sessions).status == "succeeded"
        for number, (mode, point, flow) in enumerate(cases, 1):
            landed.arrive()
            name = "chain" if flow in FLOWS else "windows"
            refresh = point is Point.NOTHING_STREAMED
            for specs in (died, undisturbed):
                if before(flow):
                    run(specs[name], RunRequest(mode=mode, select=before(flow)), sessions=sessions)
            request = RunRequest(mode=mode, select=[flow], full_refresh=refresh)
            began = time.monotonic()
            with failing(point), armed(point, deed=kill_jvm) as met:
                result = run(died[name], request, sessions=sessions)
            spent = time.monotonic() - began
            wanted = run(undisturbed[name], request, sessions=sessions)
            if mode == "batch":
                landed.reread(flow)
            here = [] if met.crashed else ["never came there"]
            here += _differences(result, wanted, attempts=ATTEMPTS.get(point, (2,)))
            here += landed.differences(flow)
            record = landed.roots[0] / ".etl/local/history" / name / f"{result.run_id}.json"
            here += [] if record.exists() else ["no record"]
            wrong += [f"{number} {mode} {flow} at {point}: {what}" for what in here]
            say("\n".join([f"{number}/{len(cases)} {mode} {flow} at {point}: {spent:.1f} s", *map(str, here)]))
        for specs in (died, undisturbed):
            for name, request in everything.items():
                assert run(specs[name], request, sessions=sessions).status in ("succeeded", "unchanged")
        if played >= {flow.name for spec in died.values() for flow in spec.flows}:
            wrong += landed.differences()
        else:  # a few cases have run a few flows
            wrong += [difference for flow in sorted(played) for difference in landed.differences(flow)]
    finally:
        sessions.close()
    wrong += [f"left behind: {item}" for item in left_behind(landed.roots[0] / ".etl" / "local")]
    wrong += [f"the audit of {name} does not hold" for name in PIPELINES if not audit(died[name]).holds]
    return wrong


def _differences(found: RunResult, wanted: RunResult, *, attempts: tuple[int, ...]) -> Iterator[str]:
    (told,), (undisturbed,) = found.flows, wanted.flows
    if told.status != "succeeded":
        yield f"{told.status}: {told.failure}"
    if told.attempts not in attempts:
        yield f"{told.attempts} attempts"
    if (told.counts, told.epochs) != (undisturbed.counts, undisturbed.epochs):
        yield f"{told.counts} in {told.epochs} epochs, not {undisturbed.counts} in {undisturbed.epochs}"


@contextmanager
def failing(point: Point) -> Iterator[None]:
    """Have the first attempt fail of something else, where the point is one that only such a run comes to."""
    if point is not Point.ATTEMPT_FAILED:
        yield
        return

    def fail() -> None:
        raise FlowFailed("something else", transient=True)

    with armed(Point.EPOCH_OFFERED, deed=fail):
        yield


def main() -> int:
    """Play them all; the JVMs that are left count as wrong, too."""
    root = Path(tempfile.mkdtemp(prefix="deaths-"))
    cases = CASES[:NUMBER] if "ETL_JVM_DEATHS" in os.environ else CASES
    cases = [case for case in cases if not sys.argv[1:] or "/".join(case) in sys.argv[1:]]
    if not cases:
        _say(f"no case is named {' or '.join(sys.argv[1:])}; such as {'/'.join(CASES[0])}")
        return 2
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
