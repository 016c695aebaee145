"""`groups`: the rows of the affected groups are recomputed from the inputs at the epoch's end, and replace those groups."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.tally import Tally
from etl.engine.kinds.group_streams import INPUT, groups_of, with_groups
from etl.engine.kinds.kind import StreamedKind
from etl.engine.kinds.spans import span_of_inputs
from etl.engine.output import Output, ParsedInput
from etl.engine.sources.files import CORRUPT
from etl.engine.sources.source import open_source
from etl.engine.transform.affected import affected_groups
from etl.engine.transform.apply import apply
from etl.engine.transform.parsed_input import malformed, read_input

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.config.spec import InputSpec
    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Span
    from etl.planning.position import Position


class GroupsKind(StreamedKind):
    """Each changes input is restricted to the groups that the micro-batch affects; epoch 0 computes all of them."""

    def span(self, job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:
        return span_of_inputs(job, n, before, earlier, streams=streams)

    def stream(self, job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
        """Of all changes inputs what tells their affected groups: see `with_groups` for the columns."""
        parts = [
            with_groups(job, item, open_source(item.source).stream(session, limited=limited)) for item in job.changes
        ]
        return reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)

    def output(
        self, job: Job, session: SparkSession, span: Span, micro_batch: DataFrame | None, caches: Caches
    ) -> Output:
        if span.start is None or micro_batch is None:
            parsed_inputs = {item.name: _whole(session, span, item, caches, first=True) for item in job.inputs}
            rows = apply(job, session, {item.name: parsed_inputs[item.name].parsed for item in job.inputs})
            return Output(rows, "all", parsed_inputs)
        kept = caches.keep(micro_batch)
        news = {item.name: _news(job, session, span, item, kept) for item in job.changes}
        inputs = {item.name: _whole(session, span, item, caches, first=False).parsed for item in job.inputs}
        groups = [
            part for item in job.changes for part in groups_of(job, session, item, news[item.name].parsed, inputs)
        ]
        found = affected_groups(
            reduce(DataFrame.unionByName, groups), [group.column for group in job.flow.groups], caches
        )

        def restricted(item: InputSpec, frame: DataFrame) -> DataFrame:
            if item.read != "changes":
                return frame
            return found.restrict(frame, [group.of(item.name) for group in job.flow.groups])

        return Output(apply(job, session, inputs, restricted), found.groups, news)


def _whole(session: SparkSession, span: Span, flow_input: Input, caches: Caches, *, first: bool) -> ParsedInput:
    """An input as the epoch finds it at its end; what did not parse is the business of the epoch that brought it."""
    return read_input(session, flow_input, span.pins[flow_input.name], caches, keep_malformed=first, counted=first)


def _news(job: Job, session: SparkSession, span: Span, flow_input: Input, micro_batch: DataFrame) -> ParsedInput:
    """What the micro-batch brought of one input: enough of it to tell its groups, and what did not parse."""
    misread = span.replacement_reads.get(flow_input.name)
    part = micro_batch.filter(F.col(INPUT) == flow_input.name)
    if misread is not None:
        part = with_groups(job, flow_input, open_source(flow_input.source).as_of(session, misread))
    unparsed = F.count_if(F.col(CORRUPT).isNotNull())
    tally = Tally(part, [F.count(F.lit(1)).alias("read"), unparsed.alias("malformed")])
    kept = malformed(tally.frame) if flow_input.source.on_malformed == "quarantine" else None
    return ParsedInput(tally.frame, kept, tally)
