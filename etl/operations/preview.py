"""`etl preview`: a sample of what a flow would write. Nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.views import readers
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import must_be_readable
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.planning.preview import PreviewResult


def preview(spec: PipelineSpec, flow: str, *, limit: int = 20) -> PreviewResult:
    """At most `limit` rows of the flow's output over a sample of its inputs.

    Raises ConfigurationError where there is no such flow, and what a run of it would raise.
    """
    must_be_readable(spec)
    chosen = _flow(spec, flow)
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl preview {spec.name}", short=True)
    try:
        from etl.engine.faults.translation import translated  # noqa: PLC0415  # pyspark only where there is a flow to look at
        from etl.engine.run.preview import Preview  # noqa: PLC0415

        session = sessions.get().flow_session(chosen.timezone, secret_options=spec.secret_options)
        with translated(chosen):
            return Preview(spec, session).of(chosen, limit)
    finally:
        sessions.close()


def _flow(spec: PipelineSpec, name: str) -> FlowSpec:
    chosen = spec.flow(name)
    if chosen is not None:
        return chosen
    within = readers(spec, name)
    names = [flow.name for flow in spec.flows]
    if within:
        message, hint = (
            f"'{name}' is a view and makes no rows of its own",
            f"preview a flow that reads it: {', '.join(within)}",
        )
    else:
        message = f"there is no flow '{name}' in pipeline '{spec.name}'"
        hint = did_you_mean(name, names) or f"the flows are: {', '.join(names)}"
    raise ConfigurationError([Diagnostic("E250", message, hint=hint)])
