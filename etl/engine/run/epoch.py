"""An epoch, or a part of a target recomputed: its span, its kind's rows, the verdicts on them, and their commits (`epoch_commit`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from etl.engine.commits.evolution import evolve
from etl.engine.crash_points import Point, reach
from etl.engine.frames.caches import Caches
from etl.engine.kinds import KINDS
from etl.engine.metadata.delta_log import last_committed
from etl.engine.metadata.provenance import Provenance
from etl.engine.run.earlier_attempt import at_instant, earlier_attempt
from etl.engine.run.epoch_commit import checked_rows, commit_epoch
from etl.engine.run.recount import owes_counts, recount
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.output import Output, Span
    from etl.planning.plan import Committed
    from etl.planning.results import Counts


def run_epoch(job: Job, session: SparkSession, micro_batch: DataFrame | None, n: int) -> None:
    """Commit epoch `n` of the job's generation: state first, quarantine next, the target last, each once.

    An epoch that the target holds is not committed again; its counts are recorded where they died with an attempt of this run. An
    epoch that died on its way ends in the same tables, since it reads its snapshots as the first attempt read them; it raises
    FlowFailed where it cannot. `micro_batch`: None where the inputs are read whole.
    """
    committed, kind = last_committed(job.paths.target), KINDS[job.kind]
    is_done = _is_done(job, committed, n)
    if is_done and committed is not None and committed.epoch == n and owes_counts(job, committed):
        recount(job, session, micro_batch, n)
        return
    is_staged = not is_done and job.stages(committed)
    if micro_batch is not None and (is_done or is_staged):
        kind.pass_over(job, micro_batch, n, staged=is_staged)
        return
    if is_done:
        return
    reach(Point.EPOCH_OFFERED)
    job, span = epoch_span(job, committed, n, streams=micro_batch is not None)
    if micro_batch is not None:
        kind.before_epoch(job, n)
    with Caches() as caches:
        output = kind.output(job, session, span, micro_batch, caches)
        reach(Point.OUTPUT_MADE)
        checked = checked_rows(job, output)
        if span.start is not None:
            _evolve(job, session, output)
        stamp = _stamp(job, committed, n, span)
        counts, violations = commit_epoch(job, session, output, checked, stamp, caches)
    # Of inputs that were read whole: their position tells only the number and the digest of these files.
    streamed = {item.name for item in job.changes} if micro_batch is not None else set()
    for name, pin in span.pins.items():
        if pin.files and name not in streamed:
            job.generation.records.record_files(name, pin.files)
    job.generation.records.record_counts(n, counts, violations)
    reach(Point.COUNTS_RECORDED)


def epoch_span(job: Job, committed: Committed | None, n: int, *, streams: bool) -> tuple[Job, Span]:
    """What epoch `n` reads after what is `committed`, and the job at the instant that the epoch takes for now. `streams`: see `FlowKind.span`.

    Raises FlowFailed where an attempt of the epoch has died and what it read cannot be read again.
    """
    earlier = earlier_attempt(job, n)
    before = committed.to if committed is not None and committed.generation == job.generation.number else None
    job = at_instant(job, earlier)
    return job, KINDS[job.kind].span(job, n, before, earlier, streams=streams)


class Recomputation(Protocol):
    """A part of what a target holds, to be recomputed at the position that the target has."""

    @property
    def span(self) -> Span:
        """The inputs, whole, as the target has read them."""

    @property
    def entry(self) -> Mapping[str, Any]:
        """What the part's commits say of it."""

    def part(self, job: Job, session: SparkSession, whole: Output, caches: Caches) -> Output:
        """Of the transform's rows over the whole inputs those that belong to the part, and what of the target they replace."""


def recompute_part(job: Job, session: SparkSession, committed: Committed, recomputation: Recomputation) -> Counts:
    """Recompute a part of the target, in commits that leave its position, `committed`, where it is; what became of the part's rows."""
    reach(Point.EPOCH_OFFERED)
    job, span = at_instant(job, None), recomputation.span
    with Caches() as caches:
        whole = KINDS[job.kind].output(job, session, span, None, caches)
        output = recomputation.part(job, session, whole, caches)
        reach(Point.OUTPUT_MADE)
        checked = checked_rows(job, output)
        _evolve(job, session, output)
        stamp = replace(
            _stamp(job, committed, committed.epoch, span), start=span.to, backfill=dict(recomputation.entry)
        )
        counts, _ = commit_epoch(job, session, output, checked, stamp, caches)
    return counts


def _evolve(job: Job, session: SparkSession, output: Output) -> None:
    evolve(job, session, output.rows)
    reach(Point.COLUMNS_ADDED)


def _stamp(job: Job, committed: Committed | None, n: int, span: Span) -> Provenance:
    stamp = Provenance(
        job.pipeline,
        job.flow.stored_as,
        job.run_id,
        job.generation.number,
        n,
        span.start,
        span.to,
        job.fingerprint,
        job.kind,
        run_ts=job.run_ts,
    )
    if committed is not None and committed.generation == job.generation.number:
        return replace(stamp, rolled_back_upto=committed.rolled_back_upto)
    return stamp


def _is_done(job: Job, committed: Committed | None, n: int) -> bool:
    """Whether the target holds epoch `n`. Raises FlowFailed where it holds another than the checkpoint tells."""
    if committed is None or committed.generation < job.generation.number:
        if n == 0 or job.generation.staged:
            return False
        holds = "nothing" if committed is None else f"generation {committed.generation}"
        expected = f"generation {job.generation.number} up to epoch {n - 1}"
    elif committed.generation > job.generation.number:
        message = f"generation {job.generation.number} was superseded by generation {committed.generation} while it ran"
        raise FlowFailed(message, hint="another run has rebuilt the target; run again to go on from there")
    elif n <= committed.epoch:
        return True
    elif n == committed.epoch + 1:
        return False
    else:
        holds, expected = f"epoch {committed.epoch}", f"epoch {n - 1}"
    message = f"the target {job.paths.target} holds {holds} where its checkpoint expects {expected}"
    raise FlowFailed(message, hint="rows were lost from the target; rebuild it with --full-refresh")
