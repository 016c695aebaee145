"""One flow in one run: decided, attempted, tried again where that can help. Pyspark is imported where an attempt begins."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engine.commits import registration
from etl.engine.crash_points import Point, reach
from etl.engine.inspection.empty_inputs import empty_inputs
from etl.engine.inspection.flow_state import read_state
from etl.engine.inspection.side_tables import sets_aside
from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.metadata.generations import newest_opened
from etl.engine.run.outcomes import KnownFailure, NotBegun
from etl.engine.run.report import FlowReport
from etl.engine.run.under_way import wait_until_left
from etl.engine.storage.holder import Waiting
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import FlowLock, clean_up_after_dead_run, flow_lock
from etl.errors import EtlError, FlowFailed, HistoryLost, LockHeld
from etl.planning.decision import decide
from etl.planning.events import FlowFinished, FlowRetried, FlowStarted, FlowWaits, SessionAwaited, SessionReady
from etl.planning.results import Failure, FlowResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from etl.config.spec import PipelineSpec
    from etl.engine.session.shared import Sessions
    from etl.engine.session.start import SessionHandle
    from etl.planning.decision import Decision
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan
    from etl.planning.results import Status

_LEAVING_S = 60.0  # for an epoch whose JVM died: it ends where it next asks that JVM for anything


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of each of its flows."""

    run_id: str
    full_refresh: bool
    allow_history_loss: bool
    wait_s: float = 0.0  # for a flow on which another run works


class FlowRun:
    """Carries one flow through one run."""

    def __init__(
        self,
        spec: PipelineSpec,
        planned: FlowPlan,
        order: Order,
        *,
        sessions: Sessions,
        emit: Callable[[Event], None],
        stop: threading.Event,
    ) -> None:
        self._spec, self._flow, self._order = spec, planned.flow, order
        self._fingerprint, self._mode = planned.fingerprint, planned.mode
        self._sessions, self._emit, self._stop = sessions, emit, stop
        self._paths = FlowPaths.of(spec, planned.flow)
        self._report = FlowReport(planned.flow.name, emit)
        self._attempts = 0
        self._not_begun = False
        self._generation: int | None = None
        self._reason = ""
        self._handle: SessionHandle | None = None  # of the attempt under way
        self._starved = False  # an attempt's JVM was out of memory

    def run(self) -> FlowResult:
        """The flow's result; failures are part of it, never raised."""
        started = time.monotonic()
        failure: Failure | None = None
        decision: Decision | None = None
        try:
            decision = self._decide()  # without the lock: cheap, and perhaps out of date
            if decision.action == "unchanged":
                clean_up_after_dead_run(self._paths, flow=self._flow.name, run_id=self._order.run_id)
            else:
                waiting = Waiting(
                    self._order.wait_s, tell=self._tell_of_holder, goes_on=lambda: not self._stop.is_set()
                )
                with flow_lock(self._paths, flow=self._flow.name, run_id=self._order.run_id, waiting=waiting) as lock:
                    reach(Point.LOCKED)
                    decision = self._decide()  # what another run did before it let go of the lock counts
                    if decision.action != "unchanged":
                        failure = self._attempt_until_done(decision, lock)
                        if failure is None and self._flow.maintenance.auto and not self._stop.is_set():
                            self._maintain()
                        reach(Point.FLOW_DONE)
            if failure is None and self._flow.sink.table is not None and not self._not_begun:
                self._register()
        except Exception as cause:  # noqa: BLE001  # a flow that fails must not take its siblings along; the cause is in its result
            if isinstance(cause, LockHeld) and self._stop.is_set():  # the run was stopped while it waited for the lock
                self._not_begun = True
            else:
                failure = self._translate(cause)
        self._report.warn_of_rows()
        result = FlowResult(
            flow=self._flow.name,
            status="failed" if failure else "skipped" if self._not_begun else _status(decision),
            mode=self._mode,
            counts=self._report.counts,
            epochs=self._report.epochs,
            generation=self._generation,
            target=self._paths.target,
            quarantine=self._paths.quarantine if self._may_quarantine() else None,
            duration_s=round(time.monotonic() - started, 3),
            attempts=self._attempts,
            reason="the run was asked to stop" if self._not_begun else self._reason,
            warnings=self._report.warnings,
            failure=failure,
        )
        self._emit(FlowFinished(result))
        return result

    def _tell_of_holder(self, holder: str) -> None:
        self._emit(FlowWaits(self._flow.name, holder))

    def _decide(self) -> Decision:
        """What the plan decided, decided again: by now the flows before this one have run, and perhaps other processes."""
        state = read_state(self._spec, self._flow, mode=self._mode)
        decision = decide(
            mode=self._mode,
            inputs=self._spec.as_stored(self._flow).inputs,
            fingerprint=self._fingerprint,
            state=state,
            full_refresh=self._order.full_refresh,
        )
        self._generation, self._reason = decision.generation, decision.reason
        empty = (
            empty_inputs(self._spec, self._flow) if state.committed is None else ()
        )  # later, files that went are told of
        for message in (*decision.warnings, *empty):
            self._report.warn(message)
        if decision.refused:
            message = f"flow '{self._flow.name}' was not run: {decision.reason}"
            raise FlowFailed(message, where=str(self._flow.at), hint=decision.refused)
        if decision.lost and not self._order.allow_history_loss:
            raise HistoryLost(
                f"flow '{self._flow.name}' must be rebuilt ({decision.reason}), but rows it has written can no longer be read: {decision.lost}",
                where=str(self._flow.at),
                hint="bring the input back; or accept the loss with --allow-history-loss",
            )
        return decision

    def _attempt_until_done(self, decision: Decision, lock: FlowLock) -> Failure | None:
        retry = self._flow.retry
        while True:
            self._attempts += 1
            self._emit(FlowStarted(self._flow.name, self._attempts, decision.reason))
            try:
                # One that may have taken all of the memory is tried again alone; its turn ends when its JVM is known to be gone.
                with self._sessions.turn if self._starved else nullcontext():
                    failure = self._tried(decision, lock)
            except NotBegun:  # within the lock, which is let go of in good order
                self._not_begun = True
                return None
            if failure is None:
                return None
            rewritten = self._rebuild_if_rewritten(decision)
            if rewritten is not None:
                decision = rewritten
                continue
            if not failure.transient or self._attempts > retry.max_retries or self._stop.is_set():
                return failure
            pause = min(retry.min_retry_interval * 2 ** (self._attempts - 1), retry.max_retry_interval)
            self._emit(FlowRetried(self._flow.name, self._attempts, pause, failure))
            if self._stop.wait(pause):
                return failure
            opened = newest_opened(self._paths)
            if opened is not None and opened.number == decision.generation:
                decision = replace(decision, action="resume")

    def _tried(self, decision: Decision, lock: FlowLock) -> Failure | None:
        """What an attempt failed of; None where it did not."""
        try:
            self._attempt(decision, lock)
        except NotBegun:
            raise
        except Exception as cause:  # noqa: BLE001  # judged by the line below; what cannot pass becomes the flow's failure
            reach(Point.ATTEMPT_FAILED)
            return self._judge(cause, decision)
        return None

    def _judge(self, cause: Exception, decision: Decision) -> Failure:
        """What an attempt failed of: the end of its JVM, whatever else that looks like, or what it says."""
        death = self._sessions.bury(self._handle, cause) if self._handle is not None else None
        if death is None:
            return self._translate(cause)
        if decision.generation is not None:
            path = self._paths.generation(decision.generation)
            if not wait_until_left(path, _LEAVING_S):
                death = replace(death, ours=False)  # what is at it still must not meet another attempt
            EpochRecords(path).take_failure(self._order.run_id)  # the death is the cause, whatever the epoch said
            EpochRecords(path).forget_stop(self._order.run_id)
        failure = death.failure(self._flow.name, str(self._flow.at))
        was_starved = self._starved
        self._starved = was_starved or death.memory
        return replace(failure, transient=failure.transient and not (death.memory and was_starved))

    def _rebuild_if_rewritten(self, decision: Decision) -> Decision | None:
        """The rebuild that a resumed stream needs after it failed, where its input was rewritten just as it began to read."""
        if self._attempts > 1 or decision.action != "resume" or self._stop.is_set():
            return None  # a generation that an attempt has opened is tried again as any other
        try:
            renewed = self._decide()
        except EtlError:  # what it failed of says more
            return None
        return renewed if renewed.action == "new generation" else None

    def _attempt(self, decision: Decision, lock: FlowLock) -> None:
        """Carry the decision out in a session. Raises NotBegun where the run is asked to stop before the flow did anything."""
        from etl.engine.run.attempt import Attempt  # noqa: PLC0415  # pyspark only for a flow that has work

        self._handle = None
        is_there = self._sessions.at_hand()
        if not is_there:
            self._emit(SessionAwaited(self._flow.name))
        try:
            handle = self._handle = self._sessions.get(stop=self._stop)
        except EtlError:
            # What told this process to stop may have told the JVM, too, which does not ignore it yet.
            if self._stop.is_set():
                raise NotBegun from None
            raise
        if self._stop.is_set():  # a JVM takes its time to start
            raise NotBegun
        if not is_there:
            self._emit(SessionReady(self._flow.name, self._sessions.pages()))
        attempt = Attempt(
            self._spec,
            self._flow,
            self._fingerprint,
            self._mode,
            self._order.run_id,
            lock,
            self._report,
            self._stop,
        )
        attempt.carry_out(decision, handle)

    def _maintain(self) -> None:
        """Do what is due for the flow's tables, within its budget; what that fails of is warned of, since every epoch is committed."""
        from etl.engine.maintenance.automatic import after_run  # noqa: PLC0415  # pyspark only for a flow that had work

        def session() -> SparkSession:
            under = (self._paths.lock, self._order.run_id)
            return self._sessions.get().flow_session(self._flow.timezone, under=under)

        try:
            failure = after_run(self._spec, self._flow, self._paths, session)
        except Exception as cause:  # noqa: BLE001  # the flow's rows are there; the next run tries it again
            failure = self._translate(cause).message
        if failure:
            self._report.warn(f"maintenance failed, and is tried again by the next run: {failure}")

    def _register(self) -> None:
        """Tell the catalog of the target, where it may not know yet: catalogs in memory forget with each session."""
        if self._sessions.at_hand() or not registration.is_registered(self._flow, self._paths):
            registration.register(self._sessions.get().flow_session(self._flow.timezone), self._flow, self._paths)

    def _translate(self, cause: Exception) -> Failure:
        if isinstance(cause, KnownFailure):
            return cause.failure
        from etl.engine.faults.translation import translate  # noqa: PLC0415  # pyspark only for a flow that got so far

        return translate(cause, self._flow)

    def _may_quarantine(self) -> bool:
        sources = (self._spec.source(item.dataset) for item in self._flow.inputs)
        return sets_aside(self._flow, filter(None, sources))


def _status(decision: Decision | None) -> Status:
    return "unchanged" if decision and decision.action == "unchanged" else "succeeded"
