"""Continuous runs in the test's own process: started, left to take up what is there, stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import etl
from etl.config.load import load
from etl.operations.run import run
from etl.planning.events import Event
from etl.planning.request import RunRequest
from etl.planning.results import RunResult

PATIENCE_S = 240.0


@dataclass(slots=True)
class GoingOn:
    """A continuous run under way; `result` once it has ended."""

    file: Path
    select: Sequence[str] = ()
    events: list[Event] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    result: RunResult | None = None
    failed: list[BaseException] = field(default_factory=list)

    def work(self) -> None:
        """Run it; for a thread of its own."""
        request = RunRequest(mode="stream", trigger="continuous", select=self.select)
        try:
            self.result = run(load(self.file), request, emit=self.events.append, stop=self.stop)
        except BaseException as cause:  # noqa: BLE001  # a thread has nobody to raise it to: `going_on` raises it
            self.failed.append(cause)

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, or the run has ended; fails when it takes too long."""
        waited = time.monotonic()
        while not done() and self.result is None and not self.failed:
            assert time.monotonic() - waited < PATIENCE_S, "it never came"
            time.sleep(0.05)

    def has_taken_everything(self) -> bool:
        """Whether a plan, which needs no JVM, finds nothing to do."""
        planned = etl.load(self.file).plan(mode="stream", select=self.select)
        return all(flow.action == "unchanged" for flow in planned.flows)


@contextmanager
def going_on(file: Path, select: Sequence[str] = ()) -> Iterator[GoingOn]:
    """A continuous run of a pipeline's file, stopped when the body is done."""
    run_of_it = GoingOn(file, select)
    thread = threading.Thread(target=run_of_it.work)
    thread.start()
    try:
        yield run_of_it
    finally:
        run_of_it.stop.set()
        thread.join()
    if run_of_it.failed:
        raise run_of_it.failed[0]


def run_until_taken(file: Path, select: Sequence[str] = ()) -> RunResult:
    """A continuous run that is stopped once it has taken up all that is there."""
    with going_on(file, select) as started:
        started.wait_until(started.has_taken_everything)
    assert started.result is not None
    return started.result


def run_in(way: str, file: Path, select: Sequence[str] = ()) -> RunResult:
    """A run in one of three ways: batch, stream (drained), continuous."""
    if way == "continuous":
        return run_until_taken(file, select)
    return etl.load(file).run(mode=way, select=select)
