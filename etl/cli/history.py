"""`etl history`: what each run committed, from the tables' own logs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.output import load, must_be_flows, pipeline_options, print_json


@click.command()
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many entries.")
def history(
    pipeline: str, environment: str, params: tuple[str, ...], flows: tuple[str, ...], limit: int, *, as_json: bool
) -> None:
    """Show what each run committed, newest first."""
    from etl.record.history import history as tell  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    entries = tell(spec, flows=flows)[:limit]
    if as_json:
        print_json({"pipeline": spec.name, "history": [asdict(item) for item in entries]})
        return
    if not entries:
        click.echo("nothing was committed yet")
    for item in entries:
        at = datetime.fromtimestamp(item.committed_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        epochs = (
            f"epoch {item.first_epoch}"
            if item.first_epoch == item.last_epoch
            else f"epochs {item.first_epoch}–{item.last_epoch}"
        )
        if item.backfill is not None:
            epochs = f"{item.mode} at epoch {item.last_epoch}, {item.backfill}"
        rows = "" if item.rows_written is None else f", {item.rows_written:,} rows"
        click.echo(f"{at}  {item.run}  {item.mode or '?':6}  {item.flow}: g{item.generation} {epochs}{rows}")
