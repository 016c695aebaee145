"""`append`: rows are added; epoch 0 of a generation replaces what was there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.engine.commit import stamped
from etl.engine.output import Groups, Rows
from etl.engine.replacement import replace_groups, replace_rows
from etl.engine.sinks.overwrite import create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance


@contextmanager
def sink(
    job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance
) -> Iterator[Callable[[], int | None]]:
    """One commit, empty or not, so that the target's log tells the position of every epoch."""
    yield lambda: _write(job, session, rows, replaces, stamp)


def _write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    if replaces == "all":
        create(job, session, rows, stamp)
        return
    if isinstance(replaces, Rows):
        replace_rows(session, job.paths.target, rows, replaces.condition, stamp)
        return
    if isinstance(replaces, Groups):  # a replay of the quarantine
        replace_groups(session, job.paths.target, rows, replaces, stamp)
        return
    with stamped(session, stamp):
        rows.write.format("delta").mode("append").save(job.paths.target)
