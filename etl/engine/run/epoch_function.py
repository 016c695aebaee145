"""What Structured Streaming calls for each micro-batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from etl.engine.crash_points import Crash
from etl.engine.faults.translation import translate
from etl.engine.kinds import KINDS
from etl.engine.maintenance.automatic import between_epochs
from etl.engine.run.epoch import run_epoch
from etl.engine.run.failing_row import with_failing_row
from etl.engine.run.outcomes import StopRequested
from etl.engine.run.under_way import under_way
from etl.engine.storage.locks import holds

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from etl.engine.job import Job
    from etl.engine.kinds.kind import StreamedKind


@dataclass(frozen=True, slots=True)
class EpochFunction:
    """The function given to `foreachBatch`: a frozen value that holds the job and nothing else."""

    job: Job

    def __call__(self, rows: DataFrame, n: int) -> None:
        """Commit micro-batch `n`, or leave the cause where the driver finds it and fail the query."""
        job, records = self.job, self.job.generation.records
        with under_way(job.generation.path):
            try:
                is_beyond = job.last_epoch is not None and n > job.last_epoch
                if is_beyond or records.is_stop_requested(job.run_id):
                    raise self._stopped()
                kind = cast("StreamedKind", KINDS[job.kind])
                run_epoch(job, rows.sparkSession, kind.micro_batch(rows), n)
                between_epochs(job, rows.sparkSession, n)
            except StopRequested:
                raise
            except Crash as cause:  # py4j, which called, would wait for an answer for ever
                raise self._stopped() from cause
            except Exception as cause:
                self._leave(cause, rows, n)
                raise

    def _leave(self, cause: Exception, rows: DataFrame, n: int) -> None:
        """Record what the epoch failed of; then, where it can be found, with the row that it failed of."""
        job, records = self.job, self.job.generation.records
        if not holds(job.paths, run_id=job.run_id):
            return  # it leaves nothing where another works
        failure = translate(cause, job.flow)
        records.record_failure(job.run_id, failure)
        found = with_failing_row(
            failure,
            cause,
            job,
            rows.sparkSession,
            n,
            micro_batch=rows,
            goes_on=lambda: not records.is_stop_requested(job.run_id),
        )
        if found.rows and holds(job.paths, run_id=job.run_id):
            records.record_failure(job.run_id, found)

    def _stopped(self) -> StopRequested:
        self.job.generation.records.record_stopped(self.job.run_id)
        return StopRequested(self.job.flow.name)
