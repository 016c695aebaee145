"""`etl plan`: what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.documents import plan_document
from etl.cli.layout import near
from etl.cli.output import load, pipeline_options, print_json, say, selection_options, session_options
from etl.config.views import readers
from etl.errors import EnvironmentProblem
from etl.planning.request import RunRequest

if TYPE_CHECKING:
    from etl.config.spec import Mode
    from etl.planning.plan import FlowPlan, Plan


@click.command()
@session_options
@pipeline_options
@selection_options
@click.pass_context
def plan(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    mode: Any,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    *,
    full_refresh: bool,
    as_json: bool,
) -> None:
    """Show what a run would do with each flow, and why. Starts no JVM, writes nothing.

    Exit code 4 where that cannot be told, since storage or an input does not answer or is not there.
    """
    from etl.operations.explain import explained  # noqa: PLC0415  # likewise
    from etl.operations.maintenance.orphans import orphan_names  # noqa: PLC0415  # --help need not pay for it
    from etl.operations.plan import plan as make  # noqa: PLC0415  # likewise

    request = RunRequest(mode=mode, select=select, exclude=exclude, full_refresh=full_refresh)
    planned = explained(make(load(pipeline, environment, params), request))
    orphans = () if planned.problems else orphan_names(planned.spec)
    if as_json:
        print_json(plan_document(planned) | {"orphans": list(orphans)})
    else:
        say(near(text(planned)))
        if orphans:
            say(f"orphans: {', '.join(orphans)}: no flow is called so any more (etl orphans {planned.spec.name})")
    if planned.problems:
        ctx.exit(EnvironmentProblem.exit_code)


def text(planned: Plan) -> str:
    """The plan for a person."""
    lines = [
        f"{planned.spec.name}: {planned.mode} in environment {planned.spec.environment}, storage {planned.spec.storage}",
        "",
    ]
    for flow in planned.flows:
        lines += _flow(flow, planned.mode)
    for view in planned.spec.views:
        reading = ", ".join(readers(planned.spec, view.name))
        lines += [f"  {view.name}: a view, " + (f"part of {reading}" if reading else "read by no flow"), ""]
    lines += [f"warning: {message}" for message in planned.warnings]
    return "\n".join(lines).rstrip()


def _flow(planned: FlowPlan, mode: Mode) -> list[str]:
    generation = f" g{planned.generation}" if planned.generation is not None and planned.action != "unchanged" else ""
    kind = planned.kind or "auto"
    inputs = ", ".join(f"{flow_input.dataset} ({flow_input.read})" for flow_input in planned.flow.inputs)
    lines = [
        f"  {planned.flow.name}:{'' if planned.mode == mode else f' {planned.mode},'} {planned.action}{generation}"
        + (f": {planned.reason}" if planned.reason else ""),
        f"      reads   {inputs}",
        f"      writes  {planned.strategy or 'append or overwrite'} into {planned.target}",
        f"      kind    {kind} ({planned.decided_by})",
    ]
    lines += [f"      change  {change}" for change in planned.changes]
    if planned.rebuild_reads:
        lines.append(f"      rebuild reads  {'; '.join(map(str, planned.rebuild_reads))}")
    if planned.committed is not None:
        at = planned.committed
        lines.append(f"      holds   generation {at.generation}, epoch {at.epoch} (version {at.version})")
    return [*lines, ""]
