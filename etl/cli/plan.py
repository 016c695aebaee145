"""`etl plan`: what a run would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.documents import plan_document
from etl.cli.output import load, pipeline_options, print_json, say, selection_options
from etl.config.views import readers
from etl.errors import EnvironmentProblem
from etl.planning.request import RunRequest

if TYPE_CHECKING:
    from etl.config.spec import Mode
    from etl.planning.plan import FlowPlan, Plan


@click.command()
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
    from etl.operations.plan import plan as make  # noqa: PLC0415  # --help need not pay for it

    found = make(
        load(pipeline, environment, params),
        RunRequest(mode=mode, select=select, exclude=exclude, full_refresh=full_refresh),
    )
    if as_json:
        print_json(plan_document(found))
    else:
        say(text(found))
    if found.problems:
        ctx.exit(EnvironmentProblem.exit_code)


def text(found: Plan) -> str:
    """The plan for a person."""
    lines = [
        f"{found.spec.name}: {found.mode} in environment {found.spec.environment}, storage {found.spec.storage}",
        "",
    ]
    for item in found.flows:
        lines += _flow(item, found.mode)
    for view in found.spec.views:
        reading = ", ".join(readers(found.spec, view.name))
        lines += [f"  {view.name}: a view, " + (f"part of {reading}" if reading else "read by no flow"), ""]
    lines += [f"warning: {message}" for message in found.warnings]
    return "\n".join(lines).rstrip()


def _flow(item: FlowPlan, mode: Mode) -> list[str]:
    generation = f" g{item.generation}" if item.generation is not None and item.action != "unchanged" else ""
    kind = item.kind or "auto"
    inputs = ", ".join(f"{given.dataset} ({given.read})" for given in item.flow.inputs)
    lines = [
        f"  {item.flow.name}:{'' if item.mode == mode else f' {item.mode},'} {item.action}{generation}"
        + (f": {item.reason}" if item.reason else ""),
        f"      reads   {inputs}",
        f"      writes  {item.strategy or 'append or overwrite'} into {item.target}",
        f"      kind    {kind} ({item.decided_by})",
    ]
    if item.committed is not None:
        at = item.committed
        lines.append(f"      holds   generation {at.generation}, epoch {at.epoch} (version {at.version})")
    return [*lines, ""]
