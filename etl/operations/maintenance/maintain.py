"""`etl maintain`: the tables of flows compacted and vacuumed, their superseded generations removed. A JVM is started where files are to be rewritten, and for nothing else."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from etl.config.load import neighbours
from etl.engine.maintenance.flow import FlowUpkeep
from etl.engine.session.shared import Sessions
from etl.engine.storage.holder import Waiting
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.engine.storage.locks import flow_lock
from etl.errors import EnvironmentProblem, EtlError, LockHeld
from etl.planning.maintenance import FlowMaintenance, MaintenanceResult
from etl.planning.run_id import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.storage.locks import FlowLock


def maintain(
    spec: PipelineSpec,
    *,
    flows: Sequence[str] = (),
    dry_run: bool = False,
    wait_s: float = 0.0,
    tell: Callable[[FlowMaintenance], None] = lambda _: None,
) -> MaintenanceResult:
    """Maintain the named flows, or all, each under its lock; `dry_run`: say what would be done, write nothing and lock nothing.

    A flow that another run holds for longer than `wait_s`, or that fails, is told of in its result, and the others go on; `tell` hears of each
    when it is done. Raises EnvironmentProblem where storage cannot be looked into, or there is no session.
    """
    must_be_readable(spec)
    run_id = new_run_id()
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl maintain {spec.name}", short=True)
    others = cache(lambda: neighbours(spec))
    done: list[FlowMaintenance] = []
    try:
        for flow in spec.flows:
            if flows and flow.name not in flows:
                continue
            work = _Work(spec, flow, sessions, others, run_id, Waiting(wait_s))
            done.append(work.told() if dry_run else work.done())
            tell(done[-1])
    finally:
        sessions.close()
    return MaintenanceResult(spec.name, tuple(done), dry_run=dry_run)


class _Work:
    """One flow's turn."""

    def __init__(
        self,
        spec: PipelineSpec,
        flow: FlowSpec,
        sessions: Sessions,
        others: Callable[[], tuple[tuple[PipelineSpec, ...], tuple[str, ...]]],
        run_id: str,
        waiting: Waiting,
    ) -> None:
        self._spec, self._flow, self._sessions, self._others = spec, flow, sessions, others
        self._run_id, self._waiting = run_id, waiting
        self._paths = FlowPaths.of(spec, flow)
        self._lock: FlowLock | None = None

    def told(self) -> FlowMaintenance:
        """What would be done."""
        return self._upkeep(dry_run=True).carry_out()

    def done(self) -> FlowMaintenance:
        """What was done, under the flow's lock."""
        try:
            with flow_lock(self._paths, flow=self._flow.name, run_id=self._run_id, waiting=self._waiting) as self._lock:
                return self._upkeep(dry_run=False).carry_out()
        except LockHeld as cause:
            return FlowMaintenance(self._flow.name, "held", reason=cause.what)
        except EnvironmentProblem:
            raise
        except EtlError as cause:
            return FlowMaintenance(self._flow.name, "failed", reason=cause.what)

    def _upkeep(self, *, dry_run: bool) -> FlowUpkeep:
        return FlowUpkeep(self._spec, self._flow, self._paths, self._session, self._others, dry_run=dry_run)

    def _session(self) -> Any:
        """A SparkSession whose commits count only while this run holds the flow's lock."""
        handle = self._sessions.get()
        if self._lock is not None:
            self._lock.tell_jvm(handle.jvm_pid())
        return handle.flow_session(self._flow.timezone, under=(self._paths.lock, self._run_id))
