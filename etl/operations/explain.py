"""A plan with what a person asks next: what an edit changed, and how much a rebuild reads. A run does without. No JVM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.inspection.flow_state import inputs_of
from etl.engine.metadata.generations import recorded_definition
from etl.engine.metadata.table_size import table_size
from etl.engine.sources.files import FileSource
from etl.engine.sources.source import open_source
from etl.engine.storage.layout import FlowPaths
from etl.errors import EtlError
from etl.planning.changes import changes
from etl.planning.fingerprint import fingerprint
from etl.planning.plan import InputSize

if TYPE_CHECKING:
    from etl.config.spec import PipelineSpec
    from etl.engine.job import Input
    from etl.planning.plan import FlowPlan, Plan


def explained(plan: Plan) -> Plan:
    """The plan, each rebuild of a target that is there with what changed in its definition and what it reads."""
    return replace(plan, flows=tuple(_explained(plan.spec, flow) for flow in plan.flows))


def _explained(spec: PipelineSpec, planned: FlowPlan) -> FlowPlan:
    committed = planned.committed
    if committed is None or planned.action != "new generation":
        return planned
    sizes = tuple(_size(flow_input) for flow_input in inputs_of(spec, planned.flow))
    before = None
    if committed.fingerprint != planned.fingerprint:
        before = recorded_definition(FlowPaths.of(spec, planned.flow), committed.generation)
    told = changes(before, fingerprint(spec, planned.flow).definition) if before is not None else ()
    return replace(planned, changes=told, rebuild_reads=sizes)


def _size(flow_input: Input) -> InputSize:
    """How much an input has now: files by their listing, a Delta table by its log."""
    source = open_source(flow_input.source)
    try:
        if isinstance(source, FileSource):
            files = source.latest().files
            return InputSize(flow_input.name, len(files), sum(Path(file).stat().st_size for file in files))
        if flow_input.source.format in ("delta", "table") and flow_input.source.path:
            size = table_size(flow_input.source.path)
            return InputSize(flow_input.name, size.files, size.bytes, size.rows)
    except (EtlError, OSError):  # the decision tells of an input that cannot be read
        return InputSize(flow_input.name)
    return InputSize(flow_input.name)
