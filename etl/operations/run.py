"""`etl run`: the plan carried out, once or in rounds, and recorded."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.secrets import redacted
from etl.config.stores import is_object
from etl.engine.crash_points import Point, reach
from etl.engine.flow_run import Order
from etl.engine.places import place
from etl.engine.sessions import Sessions
from etl.engine.storage import root_of
from etl.errors import EnvironmentProblem
from etl.operations.plan import plan
from etl.operations.rounds import run_rounds
from etl.planning.events import RunFinished, RunResult, RunStarted
from etl.record.history import record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import Mode, PipelineSpec
    from etl.planning.events import Event, FlowResult, Status

_SHORT_BYTES = 8 * 1024 * 1024


def run(
    spec: PipelineSpec,
    *,
    mode: Mode | None = None,
    trigger: str | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full_refresh: bool = False,
    allow_history_loss: bool = False,
    emit: Callable[[Event], None] = lambda _: None,
    stop: threading.Event | None = None,
    sessions: Sessions | None = None,
) -> RunResult:
    """Run a pipeline's flows, each in `mode` or its own, and tell what they did; a failure is in the result, not raised.

    Streams with an interval for their trigger go in rounds until `stop` is set; a stop, here as in a batch, takes effect at the
    end of the epoch under way. `sessions`: the caller's, who closes them.
    Raises ConfigurationError and EnvironmentProblem where nothing can be started.
    """
    chosen = mode or spec.run.mode
    used = sessions or Sessions(spec.spark, storage=spec.storage, app_name=f"etl {spec.name}", short=is_little(spec))
    try:
        planned = plan(spec, mode=mode, include=include, exclude=exclude, full_refresh=full_refresh, sessions=used)
        _must_be_writable(spec)
    except BaseException:
        if used is not sessions:
            used.close()
        raise
    emit = _redacting(emit)
    stopping = stop or threading.Event()
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    order = Order(run_id, full_refresh, allow_history_loss)
    started, began = datetime.now(UTC), time.monotonic()
    emit(RunStarted(run_id, spec.name, chosen, tuple(item.flow.name for item in planned.flows)))
    try:
        flows = run_rounds(planned, order, trigger=trigger, sessions=used, emit=emit, stop=stopping)
    finally:
        if used is not sessions:
            used.close()
    result = redacted(
        RunResult(
            run_id=run_id,
            pipeline=spec.name,
            mode=chosen,
            status=_status(flows),
            started_at=started.isoformat(timespec="seconds"),
            duration_s=round(time.monotonic() - began, 3),
            flows=flows,
            storage=spec.storage,
        )
    )
    reach(Point.RUN_DONE)
    record(spec.storage, result)
    emit(RunFinished(result))
    return result


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
