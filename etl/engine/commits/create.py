"""The commit that makes a table: its first one, or one that replaces all of its rows and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.commits.commit import fenced, mapping, stamped, with_properties
from etl.engine.metadata.table_properties import FEED
from etl.engine.transform.contract import described

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance


def create(job: Job, session: SparkSession, rows: DataFrame, stamp: Provenance) -> None:
    """Create the target, or replace its rows and its schema, in one commit."""
    sink = job.flow.sink
    rows = fenced(described(rows, job.flow), stamp.generation)
    writing = with_properties(rows.write.format("delta").mode("overwrite"), sink.properties)
    writing = writing.option("overwriteSchema", "true")
    if job.has_change_readers and job.strategy != "append":
        writing = writing.option(FEED, "true")  # from the first commit on: switching it on later is a commit of its own
    if sink.partition_by:
        writing = writing.partitionBy(*sink.partition_by)
    if sink.cluster_by:
        writing = writing.clusterBy(*sink.cluster_by)
    with stamped(session, stamp, job.paths.target):
        writing.save(job.paths.target)


def replace_side_table(job: Job, session: SparkSession, path: str, rows: DataFrame, stamp: Provenance) -> None:
    """Create a table beside the target at `path`, or replace its rows and its schema, in one commit."""
    rows = fenced(rows, stamp.generation)
    writing = with_properties(rows.write.format("delta").mode("overwrite"), mapping(job.flow))
    with stamped(session, stamp, path):
        writing.option("overwriteSchema", "true").save(path)
