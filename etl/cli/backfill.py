"""`etl backfill`: a range of a target recomputed."""

from __future__ import annotations

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.output import load, pipeline_options, show_result
from etl.cli.signals import leaves


@click.command()
@pipeline_options
@click.option("--select", "flow", required=True, metavar="FLOW", help="The flow.", shell_complete=complete_flows)
@click.option("--column", required=True, help="A column of the flow's target: dates, timestamps, numbers or texts.")
@click.option("--from", "start", required=True, metavar="A", help="The rows with A <= column …")
@click.option("--to", "end", required=True, metavar="B", help="… and column < B. Bounds are in the flow's time zone.")
@click.option("--window", help='A commit for each part of this length, such as "1 day" or 1000. Default: one commit.')
def backfill(
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    flow: str,
    column: str,
    start: str,
    end: str,
    window: str | None,
    *,
    as_json: bool,
) -> None:
    """Recompute a range of a flow's target, at the position it has, while its stream goes on.

    For snapshots that have moved since their rows were written. Rows outside the range stay as they are; nothing is read that the
    target has not read. Each window is one commit; a backfill that died goes on with the first window that is not done.
    """
    leaves("its committed windows stay; the same command goes on with the rest")
    from etl.operations.recompute.backfill import Range  # noqa: PLC0415  # --help need not pay for it
    from etl.operations.recompute.backfill import backfill as carry_out  # noqa: PLC0415

    spec = load(pipeline, environment, params)
    result = carry_out(spec, flow, Range(column, start, end, window), tell=lambda line: click.echo(line, err=True))
    show_result(result, as_json=as_json)
