"""`overwrite`: the whole target is replaced in one commit, so that no reader ever sees it empty."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.engine.commit import FEED, fenced, stamped, with_properties
from etl.engine.contract import described

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
    """Replace the target; only an output that replaces everything may come here."""
    if replaces != "all":
        message = f"flow '{job.flow.name}': an overwrite of a part of the target was asked for"
        raise ValueError(message)
    yield lambda: create(job, session, rows, stamp)


def create(job: Job, session: SparkSession, rows: DataFrame, stamp: Provenance) -> None:
    """Create the target, or replace its rows and its schema, in one commit."""
    wanted = job.flow.sink
    rows = fenced(described(rows, job.flow), stamp.generation)
    writing = with_properties(rows.write.format("delta").mode("overwrite"), wanted.properties)
    writing = writing.option("overwriteSchema", "true")
    if job.followed and job.strategy != "append":
        writing = writing.option(FEED, "true")  # from the first commit on: switching it on later is a commit of its own
    if wanted.partition_by:
        writing = writing.partitionBy(*wanted.partition_by)
    if wanted.cluster_by:
        writing = writing.clusterBy(*wanted.cluster_by)
    with stamped(session, stamp):
        writing.save(job.paths.target)
