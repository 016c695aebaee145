"""`etl run`: the plan carried out, once or in rounds, and recorded."""

from __future__ import annotations

import os
import threading
import time
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
from etl.operations.plan import plan
from etl.operations.rounds import run_rounds
from etl.planning.events import EpochCommitted, FlowFinished, FlowStarted, RunFinished, RunStarted
from etl.planning.results import Counts, Failure, FlowResult, RunResult
from etl.planning.run_id import new_run_id
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import PipelineSpec
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan
    from etl.planning.request import RunRequest
    from etl.planning.results import Status

_SHORT_BYTES = 8 * 1024 * 1024


def run(
    spec: PipelineSpec,
    request: RunRequest,
    *,
    emit: Callable[[Event], None] = lambda _: None,
    stop: threading.Event | None = None,
    sessions: Sessions | None = None,
) -> RunResult:
    """Run the flows that `request` selects, and tell what they did; a failure is in the result, not raised.

    Streams with an interval for their trigger go in rounds until `stop` is set; a stop, here as in a batch, takes effect at the
    end of the epoch under way. `sessions`: the caller's, who closes them.
    Raises ConfigurationError and EnvironmentProblem where nothing can be started.
    """
    mode = request.mode or spec.run.mode
    used = sessions or Sessions(spec.spark, storage=spec.storage, app_name=f"etl {spec.name}", short=is_little(spec))
    try:
        planned = plan(spec, request, sessions=used)
        _must_be_writable(spec)
    except BaseException:
        if used is not sessions:
            used.close()
        raise
    heard = _Heard()
    emit = _redacting(heard.before(emit))
    stopping = stop or threading.Event()
    run_id = new_run_id()
    order = Order(run_id, request.full_refresh, request.allow_history_loss)
    started, began = datetime.now(UTC), time.monotonic()
    emit(RunStarted(run_id, spec.name, mode, tuple(item.flow.name for item in planned.flows)))

    def result_of(flows: tuple[FlowResult, ...]) -> RunResult:
        return redacted(
            RunResult(
                run_id=run_id,
                pipeline=spec.name,
                mode=mode,
                status=_status(flows),
                started_at=started.isoformat(timespec="seconds"),
                duration_s=round(time.monotonic() - began, 3),
                flows=flows,
                storage=spec.storage,
            )
        )

    with recorded_if_ended(spec.storage, lambda: result_of(tuple(heard.result_of(item) for item in planned.flows))):
        try:
            flows = run_rounds(planned, order, trigger=request.trigger, sessions=used, emit=emit, stop=stopping)
        finally:
            if used is not sessions:
                used.close()
        result = result_of(flows)
        reach(Point.RUN_DONE)
        record(spec.storage, result)
    emit(RunFinished(result))
    return result


class _Heard:
    """What the events of a run have told by now: what is recorded of a run that is ended amid its work."""

    def __init__(self) -> None:
        self._at_work: set[str] = set()
        self._results: dict[str, FlowResult] = {}
        self._counts: dict[str, Counts] = {}
        self._epochs: dict[str, int] = {}

    def before(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """Hear of an event, and pass it on."""

        def both(event: Event) -> None:
            if isinstance(event, FlowStarted):
                self._at_work.add(event.flow)
            elif isinstance(event, EpochCommitted):
                self._counts[event.flow] = self._counts.get(event.flow, Counts()) + event.counts
                self._epochs[event.flow] = self._epochs.get(event.flow, 0) + 1
            elif isinstance(event, FlowFinished):
                self._at_work.discard(event.result.flow)
                self._results[event.result.flow] = event.result
            emit(event)

        return both

    def result_of(self, item: FlowPlan) -> FlowResult:
        """How far a flow has come."""
        name = item.flow.name
        found = self._results.get(name) or FlowResult(
            flow=name, status="skipped", mode=item.mode, target=item.target, reason=ENDED
        )
        if name in self._at_work:
            failure = Failure("run", f"flow '{name}' was not done: {ENDED}", hint="the next run goes on from there")
            found = replace(found, status="failed", reason="", failure=failure)
        return replace(found, counts=self._counts.get(name, Counts()), epochs=self._epochs.get(name, 0))


def _redacting(emit: Callable[[Event], None]) -> Callable[[Event], None]:
    """What happens is told, drawn and kept without the values of secrets."""
    return lambda event: emit(redacted(event))


def _status(flows: Sequence[FlowResult]) -> Status:
    found = {flow.status for flow in flows}
    for status in ("failed", "succeeded", "skipped"):
        if status in found:
            return status
    return "unchanged"


def _must_be_writable(spec: PipelineSpec) -> None:
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


def is_little(spec: PipelineSpec) -> bool:
    """Whether there is so little to read that the JVM is tuned to start soon; also where that cannot be told cheaply."""
    return _bytes(spec) < _SHORT_BYTES


def _bytes(spec: PipelineSpec) -> int:
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
