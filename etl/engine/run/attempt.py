"""One attempt of a flow: a decision made into a job, and the job driven to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.commits import registration
from etl.engine.faults.translation import translate
from etl.engine.inspection import verification_record
from etl.engine.kinds import KINDS
from etl.engine.kinds.kind import StreamedKind
from etl.engine.metadata.generations import abandon
from etl.engine.run.epoch import run_epoch
from etl.engine.run.failing_row import with_failing_row
from etl.engine.run.outcomes import KnownFailure
from etl.engine.run.prepare import prepare
from etl.engine.run.stream import StreamDriver
from etl.engine.run.timeout import within_timeout
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import must_hold

if TYPE_CHECKING:
    import threading

    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec, Mode, PipelineSpec
    from etl.engine.job import Job
    from etl.engine.run.prepare import Prepared
    from etl.engine.run.report import FlowReport
    from etl.engine.session.start import SessionHandle
    from etl.engine.storage.locks import FlowLock
    from etl.planning.decision import Decision


@dataclass(frozen=True, slots=True)
class Attempt:
    """A flow under its lock, to be carried through by one decision in one session."""

    spec: PipelineSpec
    flow: FlowSpec
    fingerprint: str
    mode: Mode
    run_id: str
    lock: FlowLock
    report: FlowReport
    stop: threading.Event

    def carry_out(self, decision: Decision, handle: SessionHandle) -> None:
        """Prepare the job and drive it. What it commits is reported; what it fails of is raised."""
        paths = FlowPaths.of(self.spec, self.flow)
        self.lock.tell_jvm(handle.jvm_pid())
        must_hold(paths, flow=self.flow.name, run_id=self.run_id)
        abandon(paths, decision.abandons)
        with handle.in_pool(self.flow.stored_as):
            self._carry_out(decision, handle, paths)

    def _carry_out(self, decision: Decision, handle: SessionHandle, paths: FlowPaths) -> None:
        session = handle.flow_session(
            self.flow.timezone, secret_options=self.spec.secret_options, under=(paths.lock, self.run_id)
        )
        registration.refuse_taken(session, self.flow, paths)
        prepared = prepare(
            self.spec,
            self.flow,
            decision,
            session,
            fingerprint=self.fingerprint,
            mode=self.mode,
            run_id=self.run_id,
        )
        for message in (
            *prepared.warnings,
            verification_record.warning_of(self.spec, self.flow, self.fingerprint),
        ):
            self.report.warn(message)
        kind = KINDS[prepared.job.kind]
        if not isinstance(kind, StreamedKind):
            self._compute_whole(prepared.job, session)
            return
        self._stream(prepared, kind, session)
        if decision.rebuild == "batch" and self.mode == "stream" and not self.stop.is_set():
            # The rebuild replaced the target in one commit; what arrived meanwhile follows as a stream.
            self._stream(prepared.unbounded(), kind, session)

    def _compute_whole(self, job: Job, session: SparkSession) -> None:
        epoch = self.report.next_epoch(job)
        try:
            within_timeout(self.flow, lambda: run_epoch(job, session, None, epoch), session)
        except Exception as cause:
            failure = translate(cause, self.flow)
            found = with_failing_row(
                failure, cause, job, session, epoch, micro_batch=None, goes_on=lambda: not self.stop.is_set()
            )
            if found.rows:
                raise KnownFailure(found) from cause
            raise
        self.report.collect(job)

    def _stream(self, prepared: Prepared, kind: StreamedKind, session: SparkSession) -> None:
        driver = StreamDriver(
            prepared.job, kind, session, limited=prepared.limited, lock=self.lock, report=self.report, stop=self.stop
        )
        driver.drive()
