"""`full`: the transform over the whole inputs at the epoch's position, replacing the whole target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.kinds.kind import FlowKind
from etl.engine.kinds.spans import span_of_inputs
from etl.engine.output import Output
from etl.engine.transform.apply import apply
from etl.engine.transform.parsed_input import read_input

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Span
    from etl.planning.position import Position


class FullKind(FlowKind):
    """Everything is recomputed, in batches and in streams: there is no query, and each epoch reads its inputs whole."""

    def span(self, job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:
        return span_of_inputs(job, n, before, earlier, streams=streams)

    def output(
        self,
        job: Job,
        session: SparkSession,
        span: Span,
        micro_batch: DataFrame | None,  # noqa: ARG002  # there is none: nothing of it is a stream
        caches: Caches,
    ) -> Output:
        parsed_inputs = {
            item.name: read_input(session, item, span.pins[item.name], caches, keep_malformed=True)
            for item in job.inputs
        }
        rows = apply(job, session, {name: parsed_input.parsed for name, parsed_input in parsed_inputs.items()})
        return Output(rows, "all", parsed_inputs)
