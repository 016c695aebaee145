"""What a flow's query streams: its one changes input as it comes, or of several of them what tells the touched groups."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError, Py4JJavaError

from etl.engine.kinds.group_streams import with_groups
from etl.engine.sources.source import open_source
from etl.engine.state.query import open_state

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from etl.engine.job import Job


def open_stream(job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
    """The stream that drives the job's epochs, its sources in the order of the changes inputs; `limited` applies rate limits."""
    if job.kind == "state":
        return open_state(job, session, limited=limited)
    streams = [open_source(item.source).stream(session, limited=limited) for item in job.changes]
    if job.kind != "groups":
        return streams[0]
    parts = [with_groups(job, item, stream) for item, stream in zip(job.changes, streams, strict=True)]
    return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)


def end(query: StreamingQuery) -> None:
    """Stop a query that still runs; one whose JVM is gone has ended with it, and what it failed of is on its way already."""
    try:
        if query.isActive:
            query.stop()
    except Py4JJavaError:
        raise
    except (Py4JError, OSError):
        return
