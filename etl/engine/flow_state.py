"""What a decision needs to know of a flow, read from its tables' logs and its checkpoint. No JVM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.check_sinks import replaces_rows
from etl.config.spec import SourceSpec
from etl.engine.checkpoints import SourceLog
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
        behind = upstream or source.flow
        feed = item.read == "changes" and behind is not None and _replaces_rows(behind, source.path)
        found.append(Input(item, replace(source, feed=True) if feed else source))
    return tuple(found)


def _replaces_rows(flow: FlowSpec, target: str) -> bool:
    """Whether the rows of the flow's target change or go; under `auto` its newest commit knows."""
    committed = last_committed(target) if flow.incremental == "auto" else None
    return replaces_rows(flow) or (committed is not None and committed.kind != "rows")


def read_state(spec: PipelineSpec, flow: FlowSpec) -> FlowState:
    """The flow's target, its newest generation, and how its inputs have moved since the target's last epoch."""
    paths = FlowPaths.of(spec, flow)
    committed, opened = last_committed(paths.target), newest_opened(paths)
    drifts: dict[str, Drift] = {}
    if committed is not None:
        generation = paths.generation(committed.generation)
        inputs = inputs_of(spec, flow)
        changes = [item for item in inputs if item.spec.read == "changes"]
        for item in inputs:
            read = committed.to.get(item.name)
            if read is not None:
                streamed = committed.kind != "full" and item in changes
                log = SourceLog(generation, changes.index(item) if streamed else 0)
                drifts[item.name] = open_source(item.source).drift(read, log, committed.epoch if streamed else None)
    return FlowState(committed, opened, drifts)
