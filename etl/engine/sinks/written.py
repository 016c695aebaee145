"""The number of rows that a sink wrote in an epoch, from the commit: for one whose process lived no longer than the commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.frames.latest import latest_per_key
from etl.engine.output import Groups

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from etl.engine.job import Job
    from etl.engine.metadata.delta_log import Commit
    from etl.engine.output import Replaces

_CHANGED = ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted")


def written_by(job: Job, rows: DataFrame, replaces: Replaces, commit: Commit) -> int | None:
    """The number that the sink would have returned for `rows`, the good ones; None where that is all of them, or Delta keeps no metrics."""
    if job.strategy in ("append", "overwrite", "replace"):
        return None
    if job.strategy == "scd2":  # its commit tells of versions, not of what they were made of
        return latest_per_key(rows, job.flow.sink, (*job.flow.sink.keys, job.flow.sink.sequence_by[0])).count()
    if commit.operation != "MERGE":
        rows_written = commit.metrics.get("numOutputRows")
        return None if rows_written is None else int(rows_written)
    # Groups are replaced by a MERGE that deletes what was there of them, and inserts the rows.
    names = _CHANGED[:1] if isinstance(replaces, Groups) else _CHANGED
    counts = [int(commit.metrics[name]) for name in names if name in commit.metrics]
    return sum(counts) if counts else None
