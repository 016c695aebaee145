"""`groups`: the rows of the touched groups are computed anew from the inputs at the epoch's end, and replace those groups."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.tally import Tally
from etl.engine.kinds.group_streams import INPUT, groups_of, with_groups
from etl.engine.output import Arrival, Output, Span
from etl.engine.sources.files import CORRUPT
from etl.engine.sources.source import open_source
from etl.engine.transform.affected import affected_groups
from etl.engine.transform.apply import apply
from etl.engine.transform.arrivals import arrive, malformed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.config.spec import InputSpec
    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job


def output(job: Job, session: SparkSession, span: Span, arrived: DataFrame | None, caches: Caches) -> Output:
    """The transform over the inputs, each changes input restricted to the touched groups; epoch 0 computes all of them."""
    if span.frm is None or arrived is None:
        arrivals = {item.name: _whole(session, span, item, caches, first=True) for item in job.inputs}
        rows = apply(job, session, {item.name: arrivals[item.name].parsed for item in job.inputs})
        return Output(rows, "all", arrivals)
    held = caches.keep(arrived)
    news = {item.name: _news(job, session, span, item, held) for item in job.changes}
    inputs = {item.name: _whole(session, span, item, caches, first=False).parsed for item in job.inputs}
    keys = [part for item in job.changes for part in groups_of(job, session, item, news[item.name].parsed, inputs)]
    found = affected_groups(reduce(DataFrame.unionByName, keys), [group.column for group in job.flow.groups], caches)

    def restricted(item: InputSpec, frame: DataFrame) -> DataFrame:
        if item.read != "changes":
            return frame
        return found.restrict(frame, [group.of(item.name) for group in job.flow.groups])

    return Output(apply(job, session, inputs, restricted), found.groups, news)


def _whole(session: SparkSession, span: Span, item: Input, caches: Caches, *, first: bool) -> Arrival:
    """An input as the epoch finds it at its end; what did not parse is the business of the epoch that brought it."""
    raw = open_source(item.source).as_of(session, span.pins[item.name])
    return arrive(item, raw, caches, keep_malformed=first, is_batch_of_stream=False, counted=first)


def _news(job: Job, session: SparkSession, span: Span, item: Input, arrived: DataFrame) -> Arrival:
    """What the micro-batch brought of one input: enough of it to tell its groups, and what did not parse."""
    misread = span.instead.get(item.name)
    part = arrived.filter(F.col(INPUT) == item.name)
    if misread is not None:
        part = with_groups(job, item, open_source(item.source).as_of(session, misread))
    unparsed = F.count_if(F.col(CORRUPT).isNotNull())
    tally = Tally(part, [F.count(F.lit(1)).alias("read"), unparsed.alias("malformed")])
    kept = malformed(tally.frame) if item.source.on_malformed == "quarantine" else None
    return Arrival(tally.frame, kept, tally)
