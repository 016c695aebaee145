"""`rows`: each output row depends on one row of the changes input, so a micro-batch is transformed by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import FEED_COLUMNS, quoted
from etl.engine.frames.tally import Tally
from etl.engine.kinds.kind import StreamedKind
from etl.engine.kinds.spans import span_of_inputs
from etl.engine.output import Output, ParsedInput
from etl.engine.sources.source import StaticSource, open_source
from etl.engine.transform.affected import affected_groups
from etl.engine.transform.apply import apply
from etl.engine.transform.parsed_input import parse_input, read_input

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Span
    from etl.planning.position import Pin, Position


class RowsKind(StreamedKind):
    """A micro-batch is transformed beside the snapshots at their pins, and its rows are added; epoch 0 replaces the target."""

    def span(self, job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:
        return span_of_inputs(job, n, before, earlier, streams=streams)

    def stream(self, job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
        return open_source(job.streamed_input.source).stream(session, limited=limited)

    def output(
        self, job: Job, session: SparkSession, span: Span, micro_batch: DataFrame | None, caches: Caches
    ) -> Output:
        """The transform's rows; without a micro-batch (an input that has nothing to stream yet) the whole input is read at its pin."""
        first = span.start is None
        if job.streamed_input.source.reads_change_feed and micro_batch is not None and not first:
            return _recomputed(job, session, span, micro_batch, caches)
        parsed_inputs = {}
        for item in job.inputs:
            keeps = first or item is job.streamed_input
            pin = _pin(job, span, item, streams=micro_batch is not None)
            if pin is not None:
                parsed_inputs[item.name] = read_input(session, item, pin, caches, keep_malformed=keeps)
            elif micro_batch is not None:
                parsed_inputs[item.name] = parse_input(
                    item, micro_batch, caches, keep_malformed=keeps, is_batch_of_stream=True
                )
        rows = apply(job, session, {item.name: parsed_inputs[item.name].parsed for item in job.inputs})
        return Output(rows, "all" if first else "nothing", parsed_inputs)


def _recomputed(job: Job, session: SparkSession, span: Span, micro_batch: DataFrame, caches: Caches) -> Output:
    """The rows of the sink's keys that a change feed touches, recomputed: a row that went may have hidden another.

    The transform, row by row, tells of both images of a change which keys it touches.
    """
    tally = Tally(
        micro_batch.drop(*FEED_COLUMNS),
        [F.count(F.lit(1)).alias("read"), F.count_if(F.expr("false")).alias("malformed")],
    )
    kept = caches.keep(tally.frame)
    snapshots = {
        item.name: read_input(session, item, span.pins[item.name], caches, keep_malformed=False, counted=False)
        for item in job.inputs
        if item is not job.streamed_input
    }

    def transformed(frame: DataFrame) -> DataFrame:
        frames = {name: parsed_input.parsed for name, parsed_input in snapshots.items()}
        return apply(job, session, {**frames, job.streamed_input.name: frame})

    found = affected_groups(transformed(kept), job.flow.sink.keys, caches)
    rows = found.restrict(
        transformed(open_source(job.streamed_input.source).as_of(session, span.pins[job.streamed_input.name])),
        [quoted(name) for name in found.groups.columns],
    )
    news = ParsedInput(kept, None, tally)
    return Output(rows, found.groups, {**snapshots, job.streamed_input.name: news})


def _pin(job: Job, span: Span, flow_input: Input, *, streams: bool) -> Pin | None:
    """Where an input is read statically: a snapshot, or what an epoch brings, wherever that can be; None for the rows of the micro-batch."""
    pin = span.replacement_reads.get(flow_input.name) or span.pins.get(flow_input.name)
    if pin is not None or not streams:
        return pin
    source = open_source(flow_input.source)
    return source.epoch_pin(job.offset_log(flow_input), span.epoch) if isinstance(source, StaticSource) else None
