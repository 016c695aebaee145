"""`full`: the transform over the whole inputs at the epoch's position, replacing the whole target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.output import Output, Span
from etl.engine.sources.source import open_source
from etl.engine.transform.apply import apply
from etl.engine.transform.arrivals import arrive

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job


def output(job: Job, session: SparkSession, span: Span, arrived: DataFrame | None, caches: Caches) -> Output:  # noqa: ARG001  # kinds share a shape
    """Recompute everything; nothing of it arrives as a stream."""
    arrivals = {
        item.name: arrive(
            item,
            open_source(item.source).as_of(session, span.pins[item.name]),
            caches,
            keep_malformed=True,
            is_batch_of_stream=False,
        )
        for item in job.inputs
    }
    rows = apply(job, session, {name: arrival.parsed for name, arrival in arrivals.items()})
    return Output(rows, "all", arrivals)
