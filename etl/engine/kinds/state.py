"""`state`: Spark's stateful operators have run the transform on the stream itself; an epoch brings their results.

Appended results are closed and never change. Results that are merged replace what the target, and the quarantine, held of their keys, so
that a result that has come to violate an expectation does not stay in the target.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.crash_points import Point, reach
from etl.engine.frames.caches import Caches
from etl.engine.frames.identifiers import columns
from etl.engine.kinds.kind import StreamedKind
from etl.engine.metadata.generations import is_drained
from etl.engine.output import Groups, Output, Span
from etl.engine.session.empty_frame import empty_frame
from etl.engine.sources.source import open_source
from etl.engine.state.progress import observe
from etl.engine.state.query import judge_state, open_state, ready_state, refuse_watermarks, settle_state
from etl.engine.state.staged import compute, stage, staged_rows
from etl.engine.state.watermark import set_watermark
from etl.engine.storage.locks import must_hold
from etl.engine.transform.parsed_input import parse_input
from etl.errors import FlowFailed
from etl.planning.position import Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from etl.engine.job import Input, Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import ParsedInput
    from etl.engine.state.progress import Observed
    from etl.planning.position import Position

_MORE_THAN_ANY_HAS = 100_000


class StateKind(StreamedKind):
    """Spark's query computes the rows, and an epoch takes them; before it the query is told the watermark that the epoch has."""

    def check_inputs(self, job: Job, empty: Mapping[str, DataFrame]) -> None:
        """Raise ConfigurationError for a watermark over what is no time (E243), or state over rows that change or go (E241)."""
        refuse_watermarks(job, empty)

    def opened(self, job: Job, session: SparkSession, *, complete: bool) -> Job:
        """The job judged by Spark as a stream; what its state must be read with later goes into the generation's record."""
        snapshots = [item for item in job.inputs if item.spec.read == "snapshot"]
        pins = tuple((item.name, open_source(item.source).latest()) for item in snapshots)
        job = replace(job, last_epoch=None, pins=pins)
        judged = judge_state(job, session)
        generation = replace(
            job.generation,
            staged=complete,
            sources=judged.sources,
            behind_ms=judged.behind_ms,
            partitions=int(session.conf.get("spark.sql.shuffle.partitions") or 0),
        )
        return replace(job, generation=generation)

    def resumed(self, job: Job, session: SparkSession) -> Job:
        """The job with as many partitions as its state has; an epoch that is done again reads its snapshots as it was started with."""
        session.conf.set("spark.sql.shuffle.partitions", str(job.generation.partitions))
        if is_drained(job.generation.path):
            snapshots = [item for item in job.inputs if item.spec.read == "snapshot"]
            pins = tuple((item.name, open_source(item.source).latest()) for item in snapshots)
        else:
            pins = tuple(job.generation.records.pins().items())
        return replace(job, last_epoch=None, pins=pins)

    def span(self, job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:  # noqa: ARG002  # the offset log tells all
        pins = {item.name: dict(job.pins)[item.name] for item in job.inputs if item not in job.changes}
        to = {
            item.name: _streamed_upto(job, item, n, before) if item in job.changes else dict(pins[item.name].position)
            for item in job.inputs
        }
        return Span(before, to, pins, {}, n)

    def before_stream(self, job: Job) -> None:
        ready_state(job)

    def stream(self, job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
        return open_state(job, session, limited=limited)

    def output_mode(self, job: Job) -> str:
        return job.state.output_mode

    def micro_batch(self, rows: DataFrame) -> DataFrame:
        """The rows in a frame that can be cached, in no fewer partitions than they have.

        Spark takes the order in which a sorting aggregate (of texts, for one) leaves its rows for the frame's own, by columns that the
        frame may not have any more, and finds no such column when it reads the frame from its cache.
        """
        return rows.coalesce(_MORE_THAN_ANY_HAS)

    def before_epoch(self, job: Job, n: int) -> None:
        set_watermark(job, n)

    def output(
        self, job: Job, session: SparkSession, span: Span, micro_batch: DataFrame | None, caches: Caches
    ) -> Output:
        """The results of one epoch; without a micro-batch those of all epochs that were staged."""
        quarantined = [item for item in job.changes if item.source.on_malformed == "quarantine"]
        parsed_inputs = {item.name: _malformed(job, session, item, span, caches) for item in quarantined}
        if micro_batch is None:
            rows = staged_rows(job, session, span.epoch)
            if rows is None:
                rows = empty_frame(session, open_state(job, session, limited=False).schema)
            return Output(rows, "all", parsed_inputs)
        rows = caches.keep(micro_batch)  # computed once: each computation would keep the state again
        if job.strategy != "merge":
            return Output(rows, "all" if span.start is None else "nothing", parsed_inputs)
        refuse_twins(job, rows)
        if span.start is None:
            return Output(rows, "all", parsed_inputs)
        keys = caches.keep(rows.select(*columns(job.flow.sink.keys)).distinct())
        return Output(rows, Groups(keys, job.flow.sink.keys), parsed_inputs)

    def pass_over(self, job: Job, micro_batch: DataFrame, n: int, *, staged: bool) -> None:
        """Compute the micro-batch all the same: Spark keeps its state only as it computes. `staged`: keep its rows for the swap."""
        set_watermark(job, n)
        if not staged:
            compute(micro_batch)
            return
        with Caches() as caches:
            rows = caches.keep(micro_batch)
            if job.strategy == "merge":
                refuse_twins(job, rows)
            must_hold(job.paths, flow=job.flow.name, run_id=job.run_id)
            reach(Point.HOLDING)
            stage(job, rows, n)
            reach(Point.HELD)

    def observe(self, job: Job, query: StreamingQuery) -> Observed | None:
        return observe(job, query)

    def after_stream(self, job: Job) -> None:
        must_hold(job.paths, flow=job.flow.name, run_id=job.run_id)
        settle_state(job)


def _streamed_upto(job: Job, flow_input: Input, n: int, before: Position | None) -> dict[str, Any]:
    """The position of an input up to epoch `n`. `before` is None where the epochs from the first on were staged."""
    source, log = open_source(flow_input.source), job.offset_log(flow_input)
    if not log.has(n):
        return dict(source.upto(log, -1).position)  # there was nothing to stream
    if source.misread_by_stream(log, n) is not None:
        raise FlowFailed(
            f"'{flow_input.name}' brings files with [ ] {{ }} or * in their own names, which Spark's stream takes for patterns",
            hint="rename those files; then rebuild with --full-refresh",
        )
    if before is None:
        return dict(source.upto(log, n).position)
    return source.position(log, n, before[flow_input.name])


def refuse_twins(job: Job, rows: DataFrame) -> None:
    """FlowFailed where two results of one epoch share the sink's keys: which of them the target should hold nobody could tell."""
    keys = job.flow.sink.keys
    returned = {name.lower() for name in rows.columns}
    if any(name.lower() not in returned for name in keys):
        return  # the sink refuses those, and says what there is
    twins = rows.groupBy(*columns(keys)).agg(F.count(F.lit(1)).alias("_etl_twins")).filter("_etl_twins > 1").first()
    if twins is None:
        return
    key = ", ".join(f"{name}={twins[name]}" for name in twins.asDict() if name != "_etl_twins")
    raise FlowFailed(
        f"flow '{job.flow.name}' has {twins['_etl_twins']} results with the same keys ({key}); a merge keeps one of them",
        where=str(job.flow.sink.at),
        hint="let sink.keys be the columns that the transform groups by",
    )


def _malformed(job: Job, session: SparkSession, flow_input: Input, span: Span, caches: Caches) -> ParsedInput:
    """The rows of an input's new files that did not parse: the query, which only counts them, has left them out."""
    source, log = open_source(flow_input.source), job.offset_log(flow_input)
    files = dict(source.upto(log, span.epoch).files)
    if span.start is not None:
        for name in source.upto(log, span.epoch - 1).files:
            files.pop(name, None)
    raw = source.as_of(session, Pin({}, files))
    parsed_input = parse_input(flow_input, raw, caches, keep_malformed=True, is_batch_of_stream=False)
    parsed_input.parsed.count()
    return parsed_input
