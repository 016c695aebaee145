"""`rows`: each output row depends on one row of the changes input, so a micro-batch is transformed by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.arrivals import arrive
from etl.engine.compile import apply
from etl.engine.output import Output, Span
from etl.engine.sources import open_source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job


def output(job: Job, session: SparkSession, span: Span, arrived: DataFrame | None) -> Output:
    """The transform over what arrived, beside the snapshots at their pins; epoch 0 replaces the target.

    Without a micro-batch (an input that has nothing to stream yet) the whole input is read at its pin instead.
    """
    first = span.frm is None
    arrivals = {}
    for item in job.inputs:
        instead = span.instead if item is job.arriving else None
        micro_batch = arrived if item is job.arriving and instead is None else None
        streams = micro_batch is not None
        raw = (
            micro_batch
            if micro_batch is not None
            else open_source(item.source).as_of(session, instead or span.pins[item.name])
        )
        arrivals[item.name] = arrive(
            item, raw, keep_malformed=first or item is job.arriving, is_batch_of_stream=streams
        )
    rows = apply(job, session, {name: arrival.parsed for name, arrival in arrivals.items()})
    return Output(rows, "all" if first else "nothing", arrivals)
