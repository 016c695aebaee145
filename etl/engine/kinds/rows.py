"""`rows`: each output row depends on one row of the changes input, so a micro-batch is transformed by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import FEED_COLUMNS, quoted
from etl.engine.frames.tally import Tally
from etl.engine.output import Arrival, Output, Span
from etl.engine.sources.source import open_source
from etl.engine.transform.apply import apply
from etl.engine.transform.arrivals import arrive
from etl.engine.transform.touched import touched

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job


def output(job: Job, session: SparkSession, span: Span, arrived: DataFrame | None, caches: Caches) -> Output:
    """The transform over what arrived, beside the snapshots at their pins; epoch 0 replaces the target.

    Without a micro-batch (an input that has nothing to stream yet) the whole input is read at its pin instead.
    """
    first = span.frm is None
    if job.arriving.source.feed and arrived is not None and not first:
        return _recomputed(job, session, span, arrived, caches)
    arrivals = {}
    for item in job.inputs:
        instead = span.instead.get(item.name) or span.pins.get(item.name)
        micro_batch = arrived if item is job.arriving and instead is None else None
        raw = micro_batch if micro_batch is not None else _whole(session, span, item)
        arrivals[item.name] = arrive(
            item, raw, caches, keep_malformed=first or item is job.arriving, is_batch_of_stream=micro_batch is not None
        )
    rows = apply(job, session, {item.name: arrivals[item.name].parsed for item in job.inputs})
    return Output(rows, "all" if first else "nothing", arrivals)


def _recomputed(job: Job, session: SparkSession, span: Span, arrived: DataFrame, caches: Caches) -> Output:
    """The rows of the sink's keys that a change feed touches, computed anew: a row that went may have hidden another.

    The transform, row by row, tells of both images of a change which keys it touches.
    """
    tally = Tally(
        arrived.drop(*FEED_COLUMNS), [F.count(F.lit(1)).alias("read"), F.count_if(F.expr("false")).alias("malformed")]
    )
    held = caches.keep(tally.frame)
    snapshots = {
        item.name: arrive(
            item, _whole(session, span, item), caches, keep_malformed=False, is_batch_of_stream=False, counted=False
        )
        for item in job.inputs
        if item is not job.arriving
    }

    def transformed(frame: DataFrame) -> DataFrame:
        frames = {name: arrival.parsed for name, arrival in snapshots.items()}
        return apply(job, session, {**frames, job.arriving.name: frame})

    found = touched(transformed(held), job.flow.sink.keys, caches)
    rows = found.restrict(
        transformed(_whole(session, span, job.arriving)), [quoted(name) for name in found.groups.columns]
    )
    news = Arrival(held, None, tally)
    return Output(rows, found.groups, {**snapshots, job.arriving.name: news})


def _whole(session: SparkSession, span: Span, item: Input) -> DataFrame:
    return open_source(item.source).as_of(session, span.instead.get(item.name) or span.pins[item.name])
