"""`etl run`: the plan carried out, once or at intervals, and recorded."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.object_uris import is_object
from etl.config.secrets import redacted
from etl.engine.crash_points import Point, reach
from etl.engine.run.flow import Order
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import root_of
from etl.engine.storage.places import place
from etl.errors import EnvironmentProblem
from etl.operations.continuous_runs import ContinuousRun, is_continuous
from etl.operations.interval_runs import run_at_intervals
from etl.operations.plan import plan
from etl.planning.events import EpochCommitted, FlowFinished, FlowStarted, RunFinished, RunStarted
from etl.planning.results import Counts, Failure, FlowResult, RunResult, overall
from etl.planning.run_id import new_run_id
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.spec import PipelineSpec
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan, Plan
    from etl.planning.request import RunRequest

_SHORT_BYTES = 8 * 1024 * 1024


def run(
    spec: PipelineSpec,
    request: RunRequest,
    *,
    emit: Callable[[Event], None] = lambda _: None,
    stop: threading.Event | None = None,
    sessions: Sessions | None = None,
) -> RunResult:
    """Run the flows that `request` selects, and return what they did; a failure is in the result, not raised.

    Streams with an interval for their trigger run again and again until `stop` is set, continuous ones whenever something arrives; a
    stop, here as in a batch, takes effect at the end of the epoch under way. `sessions`: the caller's, who closes them.
    Raises ConfigurationError and EnvironmentProblem where nothing can be started.
    """
    with ExitStack() as own_sessions:
        used = sessions or own_sessions.enter_context(
            closing(Sessions(spec.spark, storage=spec.storage, app_name=f"etl {spec.name}", short=is_little(spec)))
        )
        planned = plan(spec, request, sessions=used)
        _must_be_writable(spec)
        report = _RunReport(planned, new_run_id())
        emit = _redacting(report.observing(emit))
        emit(report.started())
        order = Order(report.run_id, request.full_refresh, request.allow_history_loss, request.wait_s)
        with recorded_if_ended(spec.storage, report.so_far):
            with own_sessions:  # they end before the run's time is taken
                stopped = stop or threading.Event()
                if is_continuous(planned, request.trigger):
                    flows = ContinuousRun(
                        planned, order, trigger=request.trigger, sessions=used, emit=emit, stop=stopped
                    ).run()
                else:
                    flows = run_at_intervals(
                        planned, order, trigger=request.trigger, sessions=used, emit=emit, stop=stopped
                    )
            result = report.result(flows)
            reach(Point.RUN_DONE)
            record(spec.storage, result)
        emit(RunFinished(result))
        return result


class _RunReport:
    """What a run's events have said of its flows: all that is recorded of a run that is ended amid its work."""

    def __init__(self, planned: Plan, run_id: str) -> None:
        self.run_id = run_id
        self._planned = planned
        self._started, self._began = datetime.now(UTC), time.monotonic()
        self._running: set[str] = set()
        self._results: dict[str, FlowResult] = {}
        self._counts: dict[str, Counts] = {}
        self._epochs: dict[str, int] = {}

    def started(self) -> RunStarted:
        """The event with which the run begins."""
        names = tuple(flow.flow.name for flow in self._planned.flows)
        return RunStarted(self.run_id, self._planned.spec.name, self._planned.mode, names)

    def observing(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """`emit`, which takes note of each event before it passes it on."""

        def observe(event: Event) -> None:
            if isinstance(event, FlowStarted):
                self._running.add(event.flow)
            elif isinstance(event, EpochCommitted):
                self._counts[event.flow] = self._counts.get(event.flow, Counts()) + event.counts
                self._epochs[event.flow] = self._epochs.get(event.flow, 0) + 1
            elif isinstance(event, FlowFinished):
                self._running.discard(event.result.flow)
                self._results[event.result.flow] = event.result
            emit(event)

        return observe

    def so_far(self) -> RunResult:
        """The result of the run if it ended now."""
        return self.result(tuple(self._flow_so_far(flow) for flow in self._planned.flows))

    def result(self, flows: tuple[FlowResult, ...]) -> RunResult:
        """The result of the run with these flows, without the values of secrets."""
        return redacted(
            RunResult(
                run_id=self.run_id,
                pipeline=self._planned.spec.name,
                mode=self._planned.mode,
                status=overall(flow.status for flow in flows),
                started_at=self._started.isoformat(timespec="seconds"),
                duration_s=round(time.monotonic() - self._began, 3),
                flows=flows,
                storage=self._planned.spec.storage,
            )
        )

    def _flow_so_far(self, planned: FlowPlan) -> FlowResult:
        name = planned.flow.name
        result = self._results.get(name) or FlowResult(
            flow=name, status="skipped", mode=planned.mode, target=planned.target, reason=ENDED
        )
        if name in self._running:
            failure = Failure("run", f"flow '{name}' was not done: {ENDED}", hint="the next run goes on from there")
            result = replace(result, status="failed", reason="", failure=failure)
        return replace(result, counts=self._counts.get(name, Counts()), epochs=self._epochs.get(name, 0))


def _redacting(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """`emit`, given events without the values of secrets."""
    return lambda event: emit(redacted(event))


def _must_be_writable(spec: PipelineSpec) -> None:
    """Make the folder of the storage; raises EnvironmentProblem where it cannot be made or written."""
    root = place(root_of(spec))
    if not isinstance(root, Path):
        return  # the plan has asked the store; that it takes what is written, the locks prove
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        message = f"storage {root} cannot be created: {cause.strerror}"
        raise EnvironmentProblem(
            message, hint="correct storage in conf/, or the permissions of the folder above"
        ) from cause
    if not os.access(root, os.W_OK | os.X_OK):
        raise EnvironmentProblem(
            f"storage {root} cannot be written", hint="correct storage in conf/, or its permissions"
        )


def is_little(*specs: PipelineSpec) -> bool:
    """Whether so few bytes are to be read by all of these pipelines that the JVM is tuned to start soon.

    True also where no local file or folder tells (a glob, a table of the catalog); False for targets in an object store.
    """
    return sum(map(_bytes, specs)) < _SHORT_BYTES


def _bytes(spec: PipelineSpec) -> int:
    """The size of the sources' files, counted up to _SHORT_BYTES."""
    total = 0
    for source in spec.sources:
        if not source.path:
            continue
        if is_object(source.path):
            return _SHORT_BYTES  # the target of a flow, of which nobody knows the size without asking for all of it
        root = Path(source.path)
        files = [root] if root.is_file() else root.rglob("*") if root.is_dir() else []
        for file in files:
            total += file.stat().st_size if file.is_file() else 0
            if total >= _SHORT_BYTES:
                return total
    return total
