"""The one place where kinds, expectations, quarantine and sinks meet, in both modes."""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from etl.config.masking import sensitive
from etl.config.object_uris import is_object
from etl.config.sql import run_ts
from etl.engine.commits import quarantine
from etl.engine.commits.evolution import evolve
from etl.engine.crash_points import Crash, Point, reach
from etl.engine.faults.translation import translate
from etl.engine.frames.caches import Caches
from etl.engine.frames.tally import Tally
from etl.engine.kinds import KINDS
from etl.engine.kinds.state import refuse_twins, unordered
from etl.engine.metadata import epoch_records
from etl.engine.metadata.delta_log import effective_history, last_committed, last_stamp
from etl.engine.metadata.provenance import Provenance
from etl.engine.output import Span
from etl.engine.run.under_way import under_way
from etl.engine.sinks import SINKS
from etl.engine.sinks.written import written_by
from etl.engine.sources.source import open_source
from etl.engine.state.staged import compute, hold
from etl.engine.state.watermark import set_watermark
from etl.engine.storage.locks import holds, must_hold
from etl.engine.transform import expectations, partitions
from etl.errors import FlowFailed
from etl.planning.results import Counts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Input, Job
    from etl.engine.output import Output
    from etl.engine.recompute.backfill import Again
    from etl.engine.recompute.replay import Replayed
    from etl.engine.transform.expectations import Checked
    from etl.planning.plan import Committed
    from etl.planning.position import Pin, Position


class StopRequested(Exception):  # not an error: the run was asked to end
    """Raised at the start of an epoch that is not to begin; Spark then ends the query, and the driver finds that it was on purpose."""


@dataclass(frozen=True, slots=True)
class EpochFunction:
    """What Structured Streaming calls for each micro-batch: a frozen value and nothing else."""

    job: Job

    def __call__(self, arrived: DataFrame, n: int) -> None:
        """Commit micro-batch `n`, or leave the cause where the driver finds it and fail the query."""
        job = self.job
        with under_way(job.generation.path):
            try:
                beyond = job.last_epoch is not None and n > job.last_epoch
                if beyond or epoch_records.stop_requested(job.generation.path, job.run_id):
                    raise self._stopped()
                rows = unordered(arrived) if job.kind == "state" else arrived
                run_epoch(job, arrived.sparkSession, rows, n)
            except StopRequested:
                raise
            except Crash as cause:  # py4j, which called, would wait for an answer for ever
                raise self._stopped() from cause
            except Exception as cause:
                if holds(job.paths, run_id=job.run_id):  # one that does not leaves nothing where another works
                    epoch_records.record_failure(job.generation.path, job.run_id, translate(cause, job.flow))
                raise

    def _stopped(self) -> StopRequested:
        epoch_records.record_stopped(self.job.generation.path, self.job.run_id)
        return StopRequested(self.job.flow.name)


def run_epoch(
    job: Job, session: SparkSession, arrived: DataFrame | None, n: int, *, again: Again | Replayed | None = None
) -> Counts | None:
    """Commit epoch `n` of the job's generation: state first, quarantine next, the target last, each once.

    Called again for an epoch that the target already holds, it does nothing, but for counting one whose counts died with an attempt of
    this run; called again for one that died on its way, it ends in the same tables, since the snapshots are read at the versions that
    the first attempt recorded. `again`: a part of what the target holds at epoch `n`, its newest, is computed anew. Returns the counts;
    None where there was nothing to do.
    """
    committed = last_committed(job.paths.target)
    done = again is None and _is_done(job, committed, n)
    if done and committed is not None and committed.epoch == n and owes_counts(job, committed):
        return _count_again(job, session, arrived, n)
    if job.kind == "state" and arrived is not None and (done or job.holds(committed)):
        _without_target(job, arrived, n, held=not done)
        return None
    if done:
        return None
    reach(Point.EPOCH_OFFERED)
    earlier = _earlier_attempt(job, n) if again is None else None
    job = _timed(job, earlier)
    before = committed.to if committed is not None and committed.generation == job.generation.number else None
    span = _span(job, before, earlier, n, streams=arrived is not None) if again is None else again.span
    if job.kind == "state" and arrived is not None:
        set_watermark(job, n)
    with Caches() as caches:
        output = KINDS[job.kind](job, session, span, arrived, caches)
        if again is not None:
            output = again.part(job, session, output, caches)
        reach(Point.OUTPUT_MADE)
        checked = expectations.check(output.rows, job.flow.rules, hidden=sensitive(job.flow))
        checked = partitions.guarded(job, checked)
        if span.frm is not None or again is not None:
            evolve(job, session, output.rows)
            reach(Point.COLUMNS_ADDED)
        stamp = Provenance(
            job.pipeline,
            job.flow.name,
            job.run_id,
            job.generation.number,
            n,
            span.frm,
            span.to,
            job.fingerprint,
            job.kind,
            run_ts=job.run_ts,
        )
        if committed is not None and committed.generation == job.generation.number:
            stamp = replace(stamp, retired=committed.retired)
        if again is not None:
            stamp = replace(stamp, frm=span.to, backfill=again.entry)
        counts, warnings = _commit(job, session, output, checked, stamp, caches)
    if again is not None:
        return counts
    streamed = {item.name for item in job.changes} if arrived is not None else set()
    for name, pin in span.pins.items():
        if pin.files and name not in streamed:
            epoch_records.record_files(job.generation.path, name, pin.files)
    epoch_records.record_counts(job.generation.path, n, counts, warnings)
    reach(Point.COUNTS_RECORDED)
    return counts


def owes_counts(job: Job, committed: Committed) -> bool:
    """Whether an attempt of this run committed the newest epoch of the job's generation, and died before it had told the counts."""
    return (committed.generation, committed.run) == (job.generation.number, job.run_id) and (
        epoch_records.recorded_counts(job.generation.path, committed.epoch) is None
    )


def _count_again(job: Job, session: SparkSession, arrived: DataFrame | None, n: int) -> Counts:
    """The counts of epoch `n`, which the target holds: its rows are computed once more, and its commit tells what became of them."""
    commit = next(item for item in effective_history(job.paths.target) if item.stamp is not None)
    stamp = cast("Provenance", commit.stamp)
    job = _timed(job, stamp)
    span = _span(job, stamp.frm, stamp, n, streams=arrived is not None)
    if job.kind == "state" and arrived is not None:
        set_watermark(job, n)
    with Caches() as caches:
        output = KINDS[job.kind](job, session, span, arrived, caches)
        checked = partitions.guarded(job, expectations.check(output.rows, job.flow.rules, hidden=sensitive(job.flow)))
        tally = Tally(checked.rows, checked.counts())
        rows = caches.keep(tally.frame)
        tally.recount(rows)
        _take_arrivals(output, caches)
        written = written_by(job, expectations.over(checked, rows).good, output.replaces, commit)
        counts, warnings = _counts(output, checked, tally, written)
    epoch_records.record_counts(job.generation.path, n, counts, warnings)
    return counts


def _without_target(job: Job, arrived: DataFrame, n: int, *, held: bool) -> None:
    """Compute an epoch whose results the target holds already, or is to hold later: Spark keeps its state only as it computes."""
    set_watermark(job, n)
    if not held:
        compute(arrived)
        return
    with Caches() as caches:
        rows = caches.keep(arrived)
        if job.strategy == "merge":
            refuse_twins(job, rows)
        must_hold(job.paths, flow=job.flow.name, run_id=job.run_id)
        reach(Point.HOLDING)
        hold(job, rows, n)
        reach(Point.HELD)


def _is_done(job: Job, committed: Committed | None, n: int) -> bool:
    if committed is None or committed.generation < job.generation.number:
        if n == 0 or job.generation.held:
            return False
        found = "nothing" if committed is None else f"generation {committed.generation}"
        expected = f"generation {job.generation.number} up to epoch {n - 1}"
    elif committed.generation > job.generation.number:
        message = f"generation {job.generation.number} was superseded by generation {committed.generation} while it ran"
        raise FlowFailed(message, hint="another run has rebuilt the target; run again to go on from there")
    elif n <= committed.epoch:
        return True
    elif n == committed.epoch + 1:
        return False
    else:
        found, expected = f"epoch {committed.epoch}", f"epoch {n - 1}"
    message = f"the target {job.paths.target} holds {found} where its checkpoint expects {expected}"
    raise FlowFailed(message, hint="rows were lost from the target; rebuild it with --full-refresh")


def _span(job: Job, before: Position | None, earlier: Provenance | None, n: int, *, streams: bool) -> Span:
    to: dict[str, Any] = {}
    pins: dict[str, Pin] = {}
    instead: dict[str, Pin] = {}
    for item in job.inputs:
        source = open_source(item.source)
        if job.kind == "state":
            if item in job.changes:
                to[item.name] = _streamed(job, item, n, before)
            else:
                pins[item.name] = dict(job.pins)[item.name]
                to[item.name] = dict(pins[item.name].position)
            continue
        if streams and item in job.changes:
            log, previous = job.log_of(item), before[item.name] if before else None
            to[item.name] = source.position(log, n, previous)
            misread = source.misread_by_stream(log, n)
            if misread is not None:
                instead[item.name] = misread
            if job.rereads:
                pins[item.name] = source.upto(log, n)
            continue
        pin = source.pinned(earlier.to[item.name]) if earlier is not None else source.latest()
        pins[item.name] = pin
        to[item.name] = dict(pin.position)
    return Span(before, to, pins, instead, n)


def _streamed(job: Job, item: Input, n: int, before: Position | None) -> dict[str, Any]:
    """How far a state flow has read an input: by the epoch alone, or by all of those that were kept back."""
    source, log = open_source(item.source), job.log_of(item)
    if not log.has(n):
        return dict(source.upto(log, -1).position)  # there was nothing to stream
    if source.misread_by_stream(log, n) is not None:
        raise FlowFailed(
            f"'{item.name}' brings files with [ ] {{ }} or * in their own names, which Spark's stream takes for patterns",
            hint="rename those files; then rebuild with --full-refresh",
        )
    if before is None:
        return dict(source.upto(log, n).position)
    return source.position(log, n, before[item.name])


def _earlier_attempt(job: Job, n: int) -> Provenance | None:
    """What an attempt of this epoch wrote of itself to state or quarantine before it died."""
    for table in (job.paths.quarantine, job.paths.state):
        found = last_stamp(table)
        if found is not None and (found[1].generation, found[1].epoch) == (job.generation.number, n):
            return found[1]
    return None


def _timed(job: Job, earlier: Provenance | None) -> Job:
    """The job with the instant that `run_ts()` is in this epoch, where its SQL says it: the one that is recorded, or now."""
    if not run_ts.says(job.flow):
        return job
    known = earlier.run_ts if earlier is not None else None
    return replace(job, run_ts=known or datetime.now(UTC).isoformat())


def _commit(
    job: Job, session: SparkSession, output: Output, checked: Checked, stamp: Provenance, caches: Caches
) -> tuple[Counts, dict[str, int]]:
    tally = Tally(checked.rows, checked.counts())
    quarantines = quarantine.may_quarantine(job)
    # More than one action reads the rows of a merge or of a flow with a quarantine: the source is read once all the same.
    by_clock = partitions.names_instants(job, checked.rows)
    several = quarantines or by_clock or job.strategy not in ("append", "overwrite")
    rows = caches.keep(checked.rows) if several else tally.frame
    if several:
        tally.recount(rows)
        _take_arrivals(output, caches)
    checked = expectations.over(checked, rows)
    must_hold(job.paths, flow=job.flow.name, run_id=job.run_id)
    prepared = SINKS[job.strategy](job, session, checked.good, output.replaces, stamp)
    with closing(prepared):
        reach(Point.STATE_COMMITTING)
        prepared.commit_state()
        reach(Point.STATE_COMMITTED)
        _must_be_of(stamp, job.paths.state)
        if quarantines:
            bad = tally.result()["quarantined"] + sum(
                arrival.tally.result()["malformed"] if arrival.tally else 0
                for arrival in output.arrivals.values()
                if arrival.malformed is not None
            )
            quarantine.write(job, session, output, checked, stamp, count=bad)
            reach(Point.QUARANTINE_COMMITTED)
            _must_be_of(stamp, job.paths.quarantine)
        reach(Point.TARGET_COMMITTING)
        with partitions.in_utc(session) if by_clock else nullcontext():
            written = prepared.commit_target()
        reach(Point.TARGET_COMMITTED)
    if not several:
        _take_arrivals(output, caches)
    return _counts(output, checked, tally, written)


def _take_arrivals(output: Output, caches: Caches) -> None:
    """Have the counts of what arrived, as soon as it is read: later a cache may be gone, and Spark has counted some of it again."""
    tallies = [arrival.tally for arrival in output.arrivals.values() if arrival.tally is not None]
    for tally in tallies:
        tally.result()
    if not caches.last():
        for tally in tallies:
            tally.recount()


def _must_be_of(stamp: Provenance, table: str) -> None:
    """FlowFailed, to be tried again, where a table beside the target holds this epoch as another run computed it, from other snapshots.

    Delta passes over an epoch that is there. In an object store that may be a commit of a run that has lost its lock, in flight
    until just now; the next attempt reads what that one read.
    """
    found = last_stamp(table) if is_object(table) and stamp.backfill is None else None
    if (
        found is not None
        and found[1].app_id == stamp.app_id
        and found[1].epoch == stamp.epoch
        and found[1].to != stamp.to
    ):
        message = f"epoch {stamp.epoch} was committed to {table} by run {found[1].run} meanwhile"
        raise FlowFailed(message, hint="run again", transient=True)


def _counts(output: Output, checked: Checked, tally: Tally, written: int | None) -> tuple[Counts, dict[str, int]]:
    found = tally.result()
    good = found["rows"] - found["dropped"] - found["quarantined"]
    read = dropped = quarantined = 0
    for arrival in output.arrivals.values():
        if arrival.tally is not None:
            seen = arrival.tally.result()
            read += seen["read"]
            if arrival.malformed is not None:
                quarantined += seen["malformed"]
            else:
                dropped += seen["malformed"]
    counts = Counts(
        read=read,
        written=good if written is None else written,
        dropped=dropped + found["dropped"],
        quarantined=quarantined + found["quarantined"],
        merged=0 if written is None else good - written,
    )
    return counts, {name: found[f"warn_{i}"] for i, name in enumerate(checked.warns) if found[f"warn_{i}"]}
