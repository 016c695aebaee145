"""An epoch's rows committed: state first, quarantine next, the target last. The only place that calls sinks."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

from etl.config.masking import sensitive
from etl.config.object_uris import is_object
from etl.engine.commits import quarantine
from etl.engine.crash_points import Point, reach
from etl.engine.frames.tally import Tally
from etl.engine.metadata.delta_log import last_stamp
from etl.engine.sinks import SINKS
from etl.engine.storage.locks import must_hold
from etl.engine.transform import expectations, partitions
from etl.errors import FlowFailed
from etl.planning.results import Counts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Output
    from etl.engine.transform.expectations import Checked


def checked_rows(job: Job, output: Output) -> Checked:
    """The output's rows judged by the flow's expectations, and held to partition values that Delta keeps."""
    return partitions.guarded(job, expectations.check(output.rows, job.flow.rules, hidden=sensitive(job.flow)))


def commit_epoch(
    job: Job, session: SparkSession, output: Output, checked: Checked, stamp: Provenance, caches: Caches
) -> tuple[Counts, dict[str, int]]:
    """Commit the rows under the stamp; what became of them, and how many rows violated each `warn` expectation."""
    tally = Tally(checked.rows, checked.counts())
    quarantines = quarantine.may_quarantine(job)
    # More than one action reads the rows of a merge or of a flow with a quarantine: the source is read once all the same.
    by_clock = partitions.names_instants(job, checked.rows)
    several = quarantines or by_clock or job.strategy not in ("append", "overwrite")
    rows = caches.keep(checked.rows) if several else tally.frame
    if several:
        tally.recount(rows)
        take_input_counts(output, caches)
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
                parsed_input.tally.result()["malformed"] if parsed_input.tally else 0
                for parsed_input in output.parsed_inputs.values()
                if parsed_input.malformed is not None
            )
            quarantine.write(job, session, output, checked, stamp, count=bad)
            reach(Point.QUARANTINE_COMMITTED)
            _must_be_of(stamp, job.paths.quarantine)
        reach(Point.TARGET_COMMITTING)
        with partitions.in_utc(session) if by_clock else nullcontext():
            written = prepared.commit_target()
        reach(Point.TARGET_COMMITTED)
    if not several:
        take_input_counts(output, caches)
    return counts_of(output, checked, tally, written)


def take_input_counts(output: Output, caches: Caches) -> None:
    """Have the counts of what arrived, as soon as it is read: later a cache may be gone, and Spark has counted some of it again."""
    tallies = [parsed_input.tally for parsed_input in output.parsed_inputs.values() if parsed_input.tally is not None]
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
    newest = last_stamp(table) if is_object(table) and stamp.backfill is None else None
    if newest is None or (newest.app_id, newest.epoch) != (stamp.app_id, stamp.epoch):
        return
    if newest.to != stamp.to:
        message = f"epoch {stamp.epoch} was committed to {table} by run {newest.run} meanwhile"
        raise FlowFailed(message, hint="run again", transient=True)


def counts_of(output: Output, checked: Checked, tally: Tally, written: int | None) -> tuple[Counts, dict[str, int]]:
    """What became of an epoch's rows. `written`: how many the target's commit wrote, where that is not simply all that are good."""
    tallied = tally.result()
    good = tallied["rows"] - tallied["dropped"] - tallied["quarantined"]
    read = dropped = quarantined = 0
    for parsed_input in output.parsed_inputs.values():
        if parsed_input.tally is not None:
            of_input = parsed_input.tally.result()
            read += of_input["read"]
            if parsed_input.malformed is not None:
                quarantined += of_input["malformed"]
            else:
                dropped += of_input["malformed"]
    counts = Counts(
        read=read,
        written=good if written is None else written,
        dropped=dropped + tallied["dropped"],
        quarantined=quarantined + tallied["quarantined"],
        merged=0 if written is None else good - written,
    )
    return counts, {name: tallied[f"warn_{i}"] for i, name in enumerate(checked.warns) if tallied[f"warn_{i}"]}
