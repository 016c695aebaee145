"""`state`: Spark's stateful operators have run the transform on the stream itself; an epoch brings their results.

Appended results are closed and never change. Results that are merged replace what the target, and the quarantine, held of their keys, so
that a result that has come to violate an expectation does not stay in the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.identifiers import columns
from etl.engine.output import Groups, Output
from etl.engine.sources.source import open_source
from etl.engine.state.query import open_state
from etl.engine.state.staged import held
from etl.engine.transform.arrivals import arrive
from etl.errors import FlowFailed
from etl.planning.position import Pin

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job
    from etl.engine.output import Arrival, Span

_AS_MANY = 100_000


def output(job: Job, session: SparkSession, span: Span, arrived: DataFrame | None, caches: Caches) -> Output:
    """The results of one epoch; without a micro-batch those of all epochs that were kept back."""
    kept = [item for item in job.changes if item.source.on_malformed == "quarantine"]
    arrivals = {item.name: _malformed(job, session, item, span, caches) for item in kept}
    if arrived is None:
        rows = held(job, session, span.epoch)
        if rows is None:
            rows = session.createDataFrame([], open_state(job, session, limited=False).schema)
        return Output(rows, "all", arrivals)
    rows = caches.keep(arrived)  # computed once: each computation would keep the state anew
    if job.strategy != "merge":
        return Output(rows, "all" if span.frm is None else "nothing", arrivals)
    refuse_twins(job, rows)
    if span.frm is None:
        return Output(rows, "all", arrivals)
    touched = caches.keep(rows.select(*columns(job.flow.sink.keys)).distinct())
    return Output(rows, Groups(touched, job.flow.sink.keys), arrivals)


def unordered(arrived: DataFrame) -> DataFrame:
    """A micro-batch that can be cached, in no fewer partitions than it has.

    Spark takes the order in which a sorting aggregate (of texts, for one) leaves its rows for the frame's own, by columns that the frame
    may not have any more, and finds no such column when it reads the frame from its cache.
    """
    return arrived.coalesce(_AS_MANY)


def refuse_twins(job: Job, rows: DataFrame) -> None:
    """FlowFailed where two results of one epoch share the sink's keys: which of them the target should hold nobody could tell."""
    keys = job.flow.sink.keys
    known = {name.lower() for name in rows.columns}
    if any(name.lower() not in known for name in keys):
        return  # the sink refuses those, and says what there is
    twins = rows.groupBy(*columns(keys)).agg(F.count(F.lit(1)).alias("_etl_twins")).filter("_etl_twins > 1").first()
    if twins is None:
        return
    found = ", ".join(f"{name}={twins[name]}" for name in twins.asDict() if name != "_etl_twins")
    raise FlowFailed(
        f"flow '{job.flow.name}' has {twins['_etl_twins']} results with the same keys ({found}); a merge keeps one of them",
        where=str(job.flow.sink.at),
        hint="let sink.keys be the columns that the transform groups by",
    )


def _malformed(job: Job, session: SparkSession, item: Input, span: Span, caches: Caches) -> Arrival:
    """The rows of an input's new files that did not parse: the query, which only counts them, has left them out."""
    source, log = open_source(item.source), job.log_of(item)
    files = dict(source.upto(log, span.epoch).files)
    if span.frm is not None:
        for name in source.upto(log, span.epoch - 1).files:
            files.pop(name, None)
    raw = source.as_of(session, Pin({}, files))
    arrival = arrive(item, raw, caches, keep_malformed=True, is_batch_of_stream=False)
    arrival.parsed.count()
    return arrival
