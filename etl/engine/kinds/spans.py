"""What an epoch reads where no state is kept: its changes inputs up to a point of the stream or whole, its snapshots at a pin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.engine.inspection.interrupted_epoch import moved_since
from etl.engine.output import Span
from etl.engine.sources.source import open_source
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.planning.position import Pin, Position


def span_of_inputs(job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:
    """The span of epoch `n`: see `FlowKind.span`.

    Raises FlowFailed where an input cannot be read as the earlier attempt read it: what that one wrote beside the target would not fit.
    """
    to: dict[str, Any] = {}
    pins: dict[str, Pin] = {}
    replacement_reads: dict[str, Pin] = {}
    for flow_input in job.inputs:
        source = open_source(flow_input.source)
        if streams and flow_input in job.changes:
            log = job.offset_log(flow_input)
            to[flow_input.name] = source.position(log, n, before[flow_input.name] if before else None)
            misread = source.misread_by_stream(log, n)
            if misread is not None:
                replacement_reads[flow_input.name] = misread
            if job.reads_inputs_whole:
                pins[flow_input.name] = source.upto(log, n)
            continue
        pin = source.pinned(earlier.to[flow_input.name]) if earlier is not None else source.latest()
        reason = moved_since(flow_input, earlier, pin) if earlier is not None else ""
        if reason:
            raise FlowFailed(reason, hint="run the flow again: it goes on, or is rebuilt where that is needed")
        pins[flow_input.name] = pin
        to[flow_input.name] = dict(pin.position)
    return Span(before, to, pins, replacement_reads, n)
