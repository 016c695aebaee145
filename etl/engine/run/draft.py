"""What can be said of a flow's job before its plan is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.sql.bound import with_literals
from etl.engine.inspection.flow_state import inputs_of
from etl.engine.job import Job
from etl.engine.storage.layout import FlowPaths
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.engine.metadata.generations import Generation
    from etl.planning.kinds import Kind


def draft_of(spec: PipelineSpec, flow: FlowSpec, generation: Generation) -> Job:
    """The flow's job in a generation, as if everything were recomputed."""
    return Job(
        pipeline=spec.name,
        flow=with_literals(spec.as_stored(flow), spec.params_of(flow)),
        inputs=inputs_of(spec, flow),
        kind="full",
        strategy="overwrite",
        paths=FlowPaths.of(spec, flow),
        generation=generation,
        run_id=generation.opened_by,
        fingerprint=generation.fingerprint,
        params=tuple(spec.params_of(flow).items()),
        folder=str(spec.folder),
        project=str(spec.project),
        has_change_readers=any(
            item.dataset == flow.name and item.read == "changes" for other in spec.flows for item in other.inputs
        ),
        last_epoch=0,
    )


def strategy_of(flow: FlowSpec, kind: Kind) -> Strategy:
    """The strategy that the flow's sink names; else that of its kind."""
    return flow.sink.strategy or KIND_TRAITS[kind].default_strategy
