"""What a decision needs to know of a flow, read from its tables' logs and its checkpoint. No JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.spec import SourceSpec
from etl.engine.generations import newest_opened
from etl.engine.job import Input
from etl.engine.provenance import last_committed
from etl.engine.sources import open_source
from etl.engine.storage import FlowPaths
from etl.planning.strategy import FlowState

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.planning.position import Drift


def inputs_of(spec: PipelineSpec, flow: FlowSpec) -> tuple[Input, ...]:
    """The flow's inputs, with the targets of other flows as the Delta tables that they are."""
    found = []
    for item in flow.inputs:
        source = spec.source(item.dataset)
        upstream = spec.flow(item.dataset)
        if source is None and upstream is not None:
            source = SourceSpec(item.dataset, "delta", FlowPaths.of(spec, upstream).target, at=item.at)
        if source is None:  # a checked spec has none such
            raise KeyError(item.dataset)
        found.append(Input(item, source))
    return tuple(found)


def read_state(spec: PipelineSpec, flow: FlowSpec) -> FlowState:
    """The flow's target, its newest generation, and how its inputs have moved since the target's last epoch."""
    paths = FlowPaths.of(spec, flow)
    committed, opened = last_committed(paths.target), newest_opened(paths)
    drifts: dict[str, Drift] = {}
    if committed is not None:
        generation = paths.generation(committed.generation)
        for item in inputs_of(spec, flow):
            read = committed.to.get(item.name)
            if read is not None:
                streamed = committed.kind == "rows" and item.spec.read == "changes"
                epoch = committed.epoch if streamed else None
                drifts[item.name] = open_source(item.source).drift(read, generation, epoch)
    return FlowState(committed, opened, drifts)
