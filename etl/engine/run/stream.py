"""A streaming query driven from its start to its end: watched, stopped where it must be; what it leaves open is finished."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError, Py4JJavaError

from etl.config.object_uris import is_object
from etl.engine.crash_points import Point, reach
from etl.engine.metadata.delta_log import last_committed
from etl.engine.metadata.generations import checkpoint_progress
from etl.engine.run.epoch import run_epoch
from etl.engine.run.epoch_function import EpochFunction
from etl.engine.run.outcomes import KnownFailure
from etl.engine.run.recount import owes_counts
from etl.engine.run.report import epoch_after
from etl.engine.run.timeout import deadline_of, timed_out
from etl.engine.storage.locks import must_hold

if TYPE_CHECKING:
    import threading

    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from etl.engine.job import Job
    from etl.engine.kinds.kind import StreamedKind
    from etl.engine.run.report import FlowReport
    from etl.engine.storage.locks import FlowLock

_POLL_S, _POLL_OBJECTS_S = 0.1, 0.5  # each look at a bucket is a request


class StreamDriver:
    """Drives the query of one job."""

    def __init__(
        self,
        job: Job,
        kind: StreamedKind,
        session: SparkSession,
        *,
        limited: bool,
        lock: FlowLock,
        report: FlowReport,
        stop: threading.Event,
    ) -> None:
        self._job, self._kind, self._session, self._limited = job, kind, session, limited
        self._lock, self._report, self._stop = lock, report, stop
        self._records = job.generation.records

    def drive(self) -> None:
        """Commit everything that is due; where `stop` is set, end after the epoch under way. What an epoch failed of is raised."""
        job, kind = self._job, self._kind
        staged = job.stages(last_committed(job.paths.target))
        self._must_hold()
        self._count_what_died()
        kind.before_stream(job)
        stream = kind.stream(job, self._session, limited=self._limited)
        writing = stream.writeStream.foreachBatch(EpochFunction(job)).trigger(availableNow=True)
        writing = writing.outputMode(kind.output_mode(job))
        reach(Point.STREAM_OPENED)
        self._must_hold()
        query = writing.option("checkpointLocation", job.generation.checkpoint).start()
        self._watch(query)
        reach(Point.STREAM_ENDED)
        if not self._stop.is_set():
            self._end(query, staged=staged)

    def _watch(self, query: StreamingQuery) -> None:
        """Report the query's epochs until it ends, by itself or as it is asked to."""
        job, records = self._job, self._records
        deadline = deadline_of(job.flow)
        pause = _POLL_OBJECTS_S if is_object(job.paths.checkpoints) else _POLL_S
        try:
            while not query.awaitTermination(pause):  # type: ignore[arg-type]  # seconds may be a fraction
                self._report.collect(job, self._kind.observe(job, query))
                self._lock.must_hold()
                if self._stop.is_set():
                    records.request_stop(job.run_id)
                if time.monotonic() > deadline:
                    raise timed_out(job.flow)
        except Exception as cause:
            failure = records.take_failure(job.run_id)
            if failure is not None:
                raise KnownFailure(failure) from cause
            self._must_hold()  # one that lost it has left no cause
            if not records.has_stopped(job.run_id):
                raise
        finally:
            _stop(query)
            self._report.collect(job, self._kind.observe(job, query))
            records.forget_stop(job.run_id)

    def _end(self, query: StreamingQuery, *, staged: bool) -> None:
        """Do what is left when nothing more is due: replace the target by the staged epochs, or make an empty target where nothing came."""
        job = self._job
        if staged:
            last = checkpoint_progress(job.generation.path)[1] or 0
            self._report.expect(job, last)
            run_epoch(job, self._session, None, last)
            self._report.collect(job, self._kind.observe(job, query))
        elif epoch_after(job) == 0:
            reach(Point.NOTHING_STREAMED)
            run_epoch(job, self._session, None, 0)  # there was nothing to stream: an empty target, and readers find it
            self._report.collect(job)
        self._kind.after_stream(job)

    def _count_what_died(self) -> None:
        """Record the counts of the target's newest epoch where its attempt died after the commit, and Spark will not offer the epoch again."""
        job = self._job
        committed = last_committed(job.paths.target)
        if committed is None or not owes_counts(job, committed):
            return
        planned, completed = checkpoint_progress(job.generation.path)
        if planned != committed.epoch or planned == completed:
            run_epoch(job, self._session, None, committed.epoch)  # it is done, so this only counts it

    def _must_hold(self) -> None:
        """FlowFailed where the lock is another run's by now, before anything is written that no commit guards."""
        must_hold(self._job.paths, flow=self._job.flow.name, run_id=self._job.run_id)


def _stop(query: StreamingQuery) -> None:
    """Stop a query that still runs; one whose JVM is gone has ended with it, and what it failed of is on its way already."""
    try:
        if query.isActive:
            query.stop()
    except Py4JJavaError:
        raise
    except (Py4JError, OSError):
        return
