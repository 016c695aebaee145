"""One flow in one run: decide, prepare, drive its epochs, try again where that can help."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.object_uris import is_object
from etl.engine.commits import registration
from etl.engine.crash_points import Point, reach
from etl.engine.inspection import verification_record
from etl.engine.inspection.flow_state import read_state
from etl.engine.inspection.side_tables import sets_aside
from etl.engine.metadata import epoch_records, generations
from etl.engine.metadata.delta_log import last_committed
from etl.engine.run.timeout import ends_within
from etl.engine.run.under_way import wait_until_left
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import FlowLock, flow_lock, must_hold, settle
from etl.errors import EtlError, FlowFailed, HistoryLost, LockHeld
from etl.planning.decision import decide
from etl.planning.events import EpochCommitted, FlowFinished, FlowRetried, FlowStarted, FlowWarned
from etl.planning.results import Counts, Failure, FlowResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from etl.config.spec import PipelineSpec
    from etl.engine.job import Job
    from etl.engine.run.prepare import Prepared
    from etl.engine.session.shared import Sessions
    from etl.engine.session.start import SessionHandle
    from etl.planning.decision import Decision
    from etl.planning.events import Event
    from etl.planning.plan import FlowPlan
    from etl.planning.results import Status

_POLL_S, _POLL_OBJECTS_S = 0.1, 0.5  # each look at a bucket is a request
_LEAVING_S = 60.0  # for an epoch whose JVM died: it ends where it next asks that JVM for anything


@dataclass(frozen=True, slots=True)
class Order:
    """What a run asks of each of its flows."""

    run_id: str
    full_refresh: bool
    allow_history_loss: bool


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
        self._counts = Counts()
        self._epochs = 0
        self._attempts = 0
        self._not_begun = False
        self._generation: int | None = None
        self._reason = ""
        self._warnings: dict[str, None] = {}
        self._violations: dict[str, int] = {}
        self._observed: dict[int, Counts] = {}  # state: what was read in epochs that are not reported yet
        self._following: dict[int, int] = {}  # of each generation, the first epoch that is to be reported next
        self._handle: SessionHandle | None = None  # of the attempt under way
        self._starved = False  # an attempt's JVM was out of memory
        self._untold: set[int] = (
            set()
        )  # state: epochs reported without what was read in them: their query died too soon

    def run(self) -> FlowResult:
        """The flow's result; failures are part of it, never raised."""
        started = time.monotonic()
        failure: Failure | None = None
        decision: Decision | None = None
        try:
            decision = self._decide()
            if decision.action == "unchanged":
                settle(self._paths, flow=self._flow.name, run_id=self._order.run_id)
            else:
                with flow_lock(
                    self._paths, flow=self._flow.name, run_id=self._order.run_id, waits=lambda: not self._stop.is_set()
                ) as lock:
                    reach(Point.LOCKED)
                    decision = self._decide()  # what another run did before it let go of the lock counts
                    if decision.action != "unchanged":
                        failure = self._attempt_until_done(decision, lock)
                        reach(Point.FLOW_DONE)
            if failure is None and self._flow.sink.table is not None and not self._not_begun:
                self._register()
        except Exception as cause:  # noqa: BLE001  # a flow that fails must not take its siblings along; the cause is in its result
            if isinstance(cause, LockHeld) and self._stop.is_set():  # it was waited for
                self._not_begun = True
            else:
                failure = self._translate(cause)
        for name, count in self._violations.items():
            self._warn(f"expectation '{name}' is violated by {count} rows, which were written all the same")
        if self._counts.late:
            self._warn(f"{self._counts.late} rows came later than the watermark, or without a time, and were left out")
        result = FlowResult(
            flow=self._flow.name,
            status="failed" if failure else "skipped" if self._not_begun else _status(decision),
            mode=self._mode,
            counts=self._counts,
            epochs=self._epochs,
            generation=self._generation,
            target=self._paths.target,
            quarantine=self._paths.quarantine if self._may_quarantine() else None,
            duration_s=round(time.monotonic() - started, 3),
            attempts=self._attempts,
            reason="the run was asked to stop" if self._not_begun else self._reason,
            warnings=tuple(self._warnings),
            failure=failure,
        )
        self._emit(FlowFinished(result))
        return result

    def _decide(self) -> Decision:
        """What the plan decided, decided again: by now the flows before this one have run, and perhaps other processes."""
        state = read_state(self._spec, self._flow, mode=self._mode)
        decision = decide(
            mode=self._mode,
            inputs=self._flow.inputs,
            fingerprint=self._fingerprint,
            state=state,
            full_refresh=self._order.full_refresh,
        )
        self._generation, self._reason = decision.generation, decision.reason
        for message in decision.warnings:
            self._warn(message)
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
            except _NotBegun:  # within the lock, which is let go of in good order
                self._not_begun = True
                return None
            if failure is None:
                return None
            rewritten = self._rewritten(decision)
            if rewritten is not None:
                decision = rewritten
                continue
            if not failure.transient or self._attempts > retry.max_retries or self._stop.is_set():
                return failure
            pause = min(retry.min_retry_interval * 2 ** (self._attempts - 1), retry.max_retry_interval)
            self._emit(FlowRetried(self._flow.name, self._attempts, pause, failure))
            if self._stop.wait(pause):
                return failure
            opened = generations.newest_opened(self._paths)
            if opened is not None and opened.number == decision.generation:
                decision = replace(decision, action="resume")

    def _tried(self, decision: Decision, lock: FlowLock) -> Failure | None:
        """What an attempt failed of; None where it did not."""
        try:
            self._attempt(decision, lock)
        except _NotBegun:
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
            epoch_records.take_failure(path, self._order.run_id)
            epoch_records.forget_stop(path, self._order.run_id)
        failure = death.failure(self._flow.name, str(self._flow.at))
        starved, self._starved = self._starved, self._starved or death.memory
        return replace(failure, transient=failure.transient and not (death.memory and starved))

    def _rewritten(self, decision: Decision) -> Decision | None:
        """The rebuild that a resumed stream needs after it failed, where its input was rewritten just as it began to read."""
        if self._attempts > 1 or decision.action != "resume" or self._stop.is_set():
            return None  # a generation that an attempt has opened is tried again as any other
        try:
            found = self._decide()
        except EtlError:  # what it failed of says more
            return None
        return found if found.action == "new generation" else None

    def _attempt(self, decision: Decision, lock: FlowLock) -> None:
        from etl.engine.run.prepare import prepare  # noqa: PLC0415  # pyspark only for a flow that has work

        self._handle = None
        try:
            handle = self._handle = self._sessions.get(stop=self._stop)
        except EtlError:
            if (
                self._stop.is_set()
            ):  # what told this process to stop may have told the JVM, too, which does not ignore it yet
                raise _NotBegun from None
            raise
        if self._stop.is_set():  # a JVM takes its time to start
            raise _NotBegun
        lock.tell_jvm(handle.jvm_pid())
        self._must_hold()
        session = handle.flow_session(
            self._flow.timezone,
            secret_options=self._spec.secret_options,
            under=(self._paths.lock, self._order.run_id),
        )
        registration.refuse_taken(session, self._flow, self._paths)
        prepared = prepare(
            self._spec,
            self._flow,
            decision,
            session,
            fingerprint=self._fingerprint,
            mode=self._mode,
            run_id=self._order.run_id,
        )
        for message in (*prepared.warnings, verification_record.doubt(self._spec, self._flow, self._fingerprint)):
            self._warn(message)
        if prepared.job.kind == "full":
            self._drive_full(prepared.job, session)
        else:
            self._drive_stream(prepared, session, lock)
            if decision.rebuild == "batch" and self._mode == "stream" and not self._stop.is_set():
                # The rebuild replaced the target in one commit; what arrived meanwhile follows as a stream.
                self._drive_stream(prepared.unbounded(), session, lock)

    def _must_hold(self) -> None:
        """FlowFailed where the lock is another run's by now, before anything is written that no commit guards."""
        must_hold(self._paths, flow=self._flow.name, run_id=self._order.run_id)

    def _register(self) -> None:
        """Tell the catalog of the target, where it may not know yet: catalogs in memory forget with each session."""
        if self._sessions.at_hand() or not registration.is_registered(self._flow, self._paths):
            registration.register(self._sessions.get().flow_session(self._flow.timezone), self._flow, self._paths)

    def _next_epoch(self, job: Job) -> int:
        committed = last_committed(job.paths.target)
        return committed.epoch + 1 if committed is not None and committed.generation == job.generation.number else 0

    def _unreported(self, job: Job) -> int:
        """The first epoch of a generation that is not reported yet: one that an attempt committed before it died is reported by the next."""
        return self._following.setdefault(job.generation.number, self._next_epoch(job))

    def _drive_full(self, job: Job, session: SparkSession) -> None:
        from etl.engine.run.epoch import run_epoch  # noqa: PLC0415  # see _attempt

        epoch = self._unreported(job)
        self._within_timeout(lambda: run_epoch(job, session, None, epoch), session)
        self._collect(job)

    def _drive_stream(self, prepared: Prepared, session: SparkSession, lock: FlowLock) -> None:
        from etl.engine.run.epoch import EpochFunction  # noqa: PLC0415  # see _attempt
        from etl.engine.run.stream import end, open_stream  # noqa: PLC0415
        from etl.engine.state.query import ready_state  # noqa: PLC0415

        job = prepared.job
        held = job.holds(last_committed(job.paths.target))
        self._must_hold()
        self._count_what_died(job, session)
        if job.kind == "state":
            ready_state(job)
        stream = open_stream(job, session, limited=prepared.limited)
        writing = stream.writeStream.foreachBatch(EpochFunction(job)).trigger(availableNow=True)
        if job.kind == "state":
            writing = writing.outputMode(job.state.output_mode)
        reach(Point.STREAM_OPENED)
        self._must_hold()
        query = writing.option("checkpointLocation", job.generation.checkpoint).start()
        deadline = self._deadline()
        try:
            pause = _POLL_OBJECTS_S if is_object(self._paths.checkpoints) else _POLL_S
            while not query.awaitTermination(pause):  # type: ignore[arg-type]  # seconds may be a fraction
                self._collect(job, told=query)
                lock.must_hold()
                if self._stop.is_set():
                    epoch_records.request_stop(job.generation.path, self._order.run_id)
                if time.monotonic() > deadline:
                    raise self._timed_out()
        except Exception as cause:
            known = epoch_records.take_failure(job.generation.path, self._order.run_id)
            if known is not None:
                raise _Known(known) from cause
            self._must_hold()  # one that lost it has left no cause
            if not epoch_records.has_stopped(job.generation.path, self._order.run_id):
                raise
        finally:
            end(query)
            self._collect(job, told=query)
            epoch_records.forget_stop(job.generation.path, self._order.run_id)
        reach(Point.STREAM_ENDED)
        if not self._stop.is_set():
            self._end_stream(job, session, query, held=held)

    def _end_stream(self, job: Job, session: SparkSession, query: StreamingQuery, *, held: bool) -> None:
        """What is left to do when nothing more is due: the swap of what was kept back, an empty target where nothing came."""
        from etl.engine.run.epoch import run_epoch  # noqa: PLC0415  # see _attempt
        from etl.engine.state.query import settle_state  # noqa: PLC0415

        if held:
            last = generations.reached(job.generation.path)[1] or 0
            self._following[job.generation.number] = last
            run_epoch(job, session, None, last)
            self._collect(job, told=query)
        elif self._next_epoch(job) == 0:
            reach(Point.NOTHING_STREAMED)
            run_epoch(job, session, None, 0)  # there was nothing to stream: an empty target, and readers find it
            self._collect(job)
        if job.kind == "state":
            self._must_hold()
            settle_state(job)

    def _count_what_died(self, job: Job, session: SparkSession) -> None:
        """Have the counts of an epoch that an attempt committed before it died, where Spark is not going to offer that epoch once more."""
        from etl.engine.run.epoch import owes_counts, run_epoch  # noqa: PLC0415  # see _attempt

        committed = last_committed(job.paths.target)
        if committed is None or not owes_counts(job, committed):
            return
        offered, finished = generations.reached(job.generation.path)
        if offered != committed.epoch or offered == finished:
            run_epoch(job, session, None, committed.epoch)

    def _collect(self, job: Job, *, told: StreamingQuery | None = None) -> None:
        """Report the epochs committed since the last look. `told`: the query that knows what state has read."""
        state = told if job.kind == "state" else None
        running = state is not None and self._observe(job, state)
        following = self._unreported(job)
        while (found := epoch_records.recorded_counts(job.generation.path, following)) is not None:
            if state is not None and following not in self._observed:
                if running:
                    return  # the query is about to tell
                self._untold.add(following)
            counts, warned = found
            for epoch in sorted(item for item in self._observed if item <= following):
                counts += self._observed.pop(epoch)
            self._counts += counts
            self._epochs += 1
            for name, count in warned.items():
                self._violations[name] = self._violations.get(name, 0) + count
            self._emit(EpochCommitted(self._flow.name, job.generation.number, following, counts))
            following += 1
            self._following[job.generation.number] = following

    def _observe(self, job: Job, query: StreamingQuery) -> bool:
        """Take over what a state flow's query tells of the rows that it has read; whether it may tell more."""
        from py4j.protocol import Py4JError  # noqa: PLC0415  # see _attempt

        from etl.engine.state.event_time import record_newest  # noqa: PLC0415  # likewise
        from etl.engine.state.watermark import observed  # noqa: PLC0415  # likewise

        try:
            running = bool(query.isActive)  # asked first: one that has ended by now has told everything
            progress = query.recentProgress
        except (Py4JError, OSError):  # its JVM is gone: who asks it for more than this will say so
            return False
        record_newest(job, progress)
        seen = observed(job, progress)
        if any(epoch > 0 and counts.late for epoch, counts in seen.items()):
            epoch_records.record_left_out(job.generation.path)
        unreported = self._unreported(job)
        self._observed |= {epoch: counts for epoch, counts in seen.items() if epoch >= unreported}
        for epoch in self._untold & seen.keys():  # an attempt after the one that died computes the epoch once more
            self._untold.remove(epoch)
            self._counts += seen[epoch]
        return running

    def _within_timeout(self, work: Callable[[], object], session: SparkSession) -> None:
        if not ends_within(self._flow.retry.timeout, work, session, tag=f"etl-{self._order.run_id}-{self._flow.name}"):
            raise self._timed_out()

    def _deadline(self) -> float:
        timeout = self._flow.retry.timeout
        return time.monotonic() + timeout if timeout is not None else float("inf")

    def _timed_out(self) -> FlowFailed:
        return FlowFailed(
            f"flow '{self._flow.name}' took longer than its timeout of {self._flow.retry.timeout:g} seconds",
            where=str(self._flow.at),
            hint="raise retry.timeout, or say retry_on_timeout: true",
            transient=self._flow.retry.retry_on_timeout,
        )

    def _translate(self, cause: Exception) -> Failure:
        if isinstance(cause, _Known):
            return cause.failure
        from etl.engine.faults.translation import translate  # noqa: PLC0415  # pyspark only for a flow that got so far

        return translate(cause, self._flow)

    def _warn(self, message: str) -> None:
        if message and message not in self._warnings:
            self._warnings[message] = None
            self._emit(FlowWarned(self._flow.name, message))

    def _may_quarantine(self) -> bool:
        sources = (self._spec.source(item.dataset) for item in self._flow.inputs)
        return sets_aside(self._flow, filter(None, sources))


def _status(decision: Decision | None) -> Status:
    return "unchanged" if decision and decision.action == "unchanged" else "succeeded"


class _NotBegun(Exception):  # not an error: the run was asked to stop before the flow did anything
    """Raised where a flow would begin to work."""


class _Known(Exception):  # carries a failure that is translated already
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
