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
    from etl.record.history import history as look_up  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    entries = look_up(spec, flows=flows)[:limit]
    if as_json:
        print_json({"pipeline": spec.name, "history": [asdict(entry) for entry in entries]})
        return
    if not entries:
        click.echo("nothing was committed yet")
    for entry in entries:
        at = datetime.fromtimestamp(entry.committed_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        epochs = (
            f"epoch {entry.first_epoch}"
            if entry.first_epoch == entry.last_epoch
            else f"epochs {entry.first_epoch}–{entry.last_epoch}"
        )
        if entry.backfill is not None:
            epochs = f"{entry.mode} at epoch {entry.last_epoch}, {entry.backfill}"
        rows = "" if entry.rows_written is None else f", {entry.rows_written:,} rows"
        click.echo(f"{at}  {entry.run}  {entry.mode or '?':6}  {entry.flow}: g{entry.generation} {epochs}{rows}")
