"""`etl checkpoints rollback` and `repair`."""

from __future__ import annotations

from dataclasses import asdict

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.output import load, must_be_flows, pipeline_options, print_json, say
from etl.cli.signals import leaves


@click.command(short_help="Take a flow back to an earlier generation.")
@pipeline_options
@click.option("--flow", required=True, help="The flow to take back.", shell_complete=complete_flows)
@click.option("--to", type=click.IntRange(min=0), help="A generation's number; without it, the one before the current.")
def rollback(
    pipeline: str, environment: str, params: tuple[str, ...], flow: str, to: int | None, *, as_json: bool
) -> None:
    """Take a flow's tables back to the end of an earlier generation, whose stream then goes on.

    One commit a table. The generation that is left is superseded for ever, and its versions stay until they are vacuumed.
    """
    leaves("tables taken back stay so; the same command ends the others")
    from etl.operations.maintenance.rollback import rollback as take_back  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, [flow])
    named = next(other for other in spec.flows if other.name == flow)
    result = take_back(spec, named, to=to)
    if as_json:
        print_json({"pipeline": spec.name, "status": "succeeded", **asdict(result)})
        return
    say(
        f"{result.flow}: generation {result.was} is superseded; the tables hold generation {result.generation}, epoch {result.epoch}, again"
    )
    say("\n".join(f"  {table}" for table in result.tables))
    if result.same_definition:
        say(f"  the next stream goes on with epoch {result.epoch + 1} of generation {result.generation}")
    else:
        say(
            "  the definition is not that generation's: put the old one back before the next run, or it rebuilds the target"
        )


@click.command(short_help="Mend what needs no rebuild, and tell the rest.")
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
@click.pass_context
def repair(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    flows: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Examine checkpoints and targets, mend what needs no rebuild, and tell the rest (exit code 1). Starts no JVM."""
    leaves("what was mended stays; the same command goes on")
    from etl.operations.maintenance.repair import repair as mend  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    repairs = mend(spec, flows=flows)
    whole = not any(flow.left for flow in repairs)
    if as_json:
        print_json(
            {
                "pipeline": spec.name,
                "status": "succeeded" if whole else "failed",
                "flows": [asdict(flow) for flow in repairs],
            }
        )
    else:
        for flow in repairs:
            say(f"{flow.flow}: {'nothing to mend' if not flow.mended and not flow.left else ''}".rstrip())
            say_lines = [*(f"  mended: {line}" for line in flow.mended), *(f"  left: {line}" for line in flow.left)]
            if say_lines:
                say("\n".join(say_lines))
    if not whole:
        ctx.exit(1)
