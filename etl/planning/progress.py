"""How far a run has come, folded from its events: what every display of progress draws, on whatever medium."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.markup import counted
from etl.planning.events import (
    DataAwaited,
    EpochCommitted,
    FlowFinished,
    FlowRetried,
    FlowStarted,
    FlowWaits,
    FlowWarned,
    RunStarted,
    SessionAwaited,
    SessionReady,
    SessionReplaced,
)

if TYPE_CHECKING:
    from etl.planning.events import Event


_STARTS_SPARK = "starts Spark"


@dataclass(frozen=True, slots=True)
class FlowProgress:
    """How far one flow has come in a run."""

    flow: str
    state: str = "waiting"  # or running, what it waits for, or its status at the end
    epoch: int | None = None  # the last one that was committed
    epochs: int = 0
    rows: int = 0  # read
    rows_before: int = 0  # of them in earlier attempts and rounds
    since: float = 0.0  # monotonic seconds at which its attempt, or its wait for Spark, began
    until: float | None = None  # monotonic seconds at which what it waits for is over

    def shown(self) -> str:
        """The state, with the seconds after which it ends, where they are known."""
        return self.state if self.until is None else f"{self.state} in {max(0.0, self.until - time.monotonic()):.0f} s"

    def elapsed(self) -> float:
        """Seconds since the attempt, or its wait for Spark, began; 0 where the flow does neither."""
        return time.monotonic() - self.since if self.state in ("running", _STARTS_SPARK) else 0.0

    def rate(self) -> str:
        """Rows a second while it runs."""
        elapsed, rows = self.elapsed(), self.rows - self.rows_before
        return f"{rows / elapsed:,.0f} rows/s" if elapsed > 0 and rows else ""


class Progress:
    """The progress of a run's flows; events may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, FlowProgress] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, RunStarted):
                self._flows = {name: FlowProgress(name) for name in event.flows}
            elif isinstance(event, FlowWaits):
                self._flows[event.flow] = replace(self._known(event.flow), state=f"waits for {event.holder}")
            elif isinstance(event, FlowStarted | SessionReady):
                self._flows[event.flow] = self._now(event.flow, "running")
            elif isinstance(event, SessionAwaited):
                self._flows[event.flow] = self._now(event.flow, _STARTS_SPARK)
            elif isinstance(event, DataAwaited):
                waits = "waits for data" if event.pause_s is None else "waits for data, looks again"
                self._flows[event.flow] = self._now(event.flow, waits, event.pause_s)
            elif isinstance(event, FlowRetried):
                self._flows[event.flow] = self._now(event.flow, "failed, tries again", event.pause_s)
            elif isinstance(event, EpochCommitted):
                known = self._known(event.flow)
                rows = known.rows + event.counts.read
                self._flows[event.flow] = replace(known, epoch=event.epoch, epochs=known.epochs + 1, rows=rows)
            elif isinstance(event, FlowFinished):
                known = self._known(event.result.flow)
                self._flows[event.result.flow] = replace(known, state=event.result.status, until=None)

    def flows(self) -> tuple[FlowProgress, ...]:
        """How far each flow has come, in the order of the graph."""
        with self._lock:
            return tuple(self._flows.values())

    def _now(self, flow: str, state: str, pause_s: float | None = None) -> FlowProgress:
        """The flow in a state that begins now, and ends in `pause_s` where that is known."""
        known, now = self._known(flow), time.monotonic()
        return replace(
            known, state=state, since=now, rows_before=known.rows, until=None if pause_s is None else now + pause_s
        )

    def _known(self, flow: str) -> FlowProgress:
        return self._flows.get(flow) or FlowProgress(flow, "running", since=time.monotonic())


def line(event: Event) -> str:
    """An event in a line; empty for what needs none."""
    if isinstance(event, RunStarted):
        return f"run {event.run_id}: {event.pipeline}, {event.mode}, {counted(len(event.flows), 'flow')}"
    if isinstance(event, FlowWaits):
        return f"{event.flow}: waits for {event.holder}"
    if isinstance(event, SessionReady):
        return f"Spark's pages, until the run ends: {event.pages}" if event.pages else ""
    if isinstance(event, FlowStarted):
        again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return f"{event.flow}: started{again}: {event.reason}"
    if isinstance(event, EpochCommitted):
        return f"{event.flow}: epoch {event.epoch} of generation {event.generation}: {event.counts.read:,} read, {event.counts.written:,} written"
    if isinstance(event, FlowRetried):
        return f"{event.flow}: attempt {event.attempt} failed, trying again in {event.pause_s:g} s: {event.failure.message}"
    if isinstance(event, FlowWarned):
        return f"{event.flow}: warning: {event.message}"
    if isinstance(event, FlowFinished):
        return f"{event.result.flow}: {event.result.status}" + (
            f": {event.result.reason}" if event.result.status in ("unchanged", "skipped") else ""
        )
    if isinstance(event, SessionReplaced):
        return f"{event.pipeline}: needs another Spark session, for it differs in {', '.join(event.settings)}"
    return ""
