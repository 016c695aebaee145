"""The counts of an epoch that the target holds, though its attempt died before it could tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.frames.caches import Caches
from etl.engine.frames.tally import Tally
from etl.engine.kinds import KINDS
from etl.engine.metadata.delta_log import effective_history
from etl.engine.run.earlier_attempt import at_instant
from etl.engine.run.epoch_commit import checked_rows, counts_of, take_input_counts
from etl.engine.sinks.written import written_by
from etl.engine.transform import expectations

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.planning.plan import Committed


def owes_counts(job: Job, committed: Committed) -> bool:
    """Whether an attempt of this run committed the newest epoch of the job's generation, and died before it had told the counts."""
    is_of_this_run = (committed.generation, committed.run) == (job.generation.number, job.run_id)
    return is_of_this_run and job.generation.records.counts(committed.epoch) is None


def recount(job: Job, session: SparkSession, micro_batch: DataFrame | None, n: int) -> None:
    """Record the counts of epoch `n`, the target's newest: its rows are computed once more, and its commit tells what became of them."""
    commit, stamp = next(
        (commit, commit.stamp)
        for commit in effective_history(job.paths.target)
        if commit.stamp is not None and not commit.is_maintenance
    )
    job, kind = at_instant(job, stamp), KINDS[job.kind]
    span = kind.span(job, n, stamp.start, stamp, streams=micro_batch is not None)
    if micro_batch is not None:
        kind.before_epoch(job, n)
    with Caches() as caches:
        output = kind.output(job, session, span, micro_batch, caches)
        checked = checked_rows(job, output)
        tally = Tally(checked.rows, checked.counts())
        rows = caches.keep(tally.frame)
        tally.recount(rows)
        take_input_counts(output, caches)
        written = written_by(job, expectations.over(checked, rows).good, output.replaces, commit)
        counts, violations = counts_of(output, checked, tally, written)
    job.generation.records.record_counts(n, counts, violations)
