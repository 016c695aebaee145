"""`etl doctor`: whether this machine has what a run needs."""

from __future__ import annotations

from dataclasses import asdict

import click

from etl.cli.complete import environments
from etl.cli.complete import pipelines as known_pipelines
from etl.cli.output import load, print_json, say
from etl.cli.signals import leaves
from etl.errors import EnvironmentProblem


@click.command()
@click.argument("pipeline", required=False, shell_complete=known_pipelines)
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def doctor(ctx: click.Context, pipeline: str | None, environment: str, *, as_json: bool) -> None:
    """Look at Java, packages, jars and storage; fetch the jars where they are missing."""
    leaves("what was fetched stays; the same command goes on")
    from etl.operations.doctor import diagnose  # noqa: PLC0415  # --help need not pay for it

    checks = diagnose(load(pipeline, environment, ()) if pipeline else None)
    if as_json:
        print_json(
            {
                "status": "failed" if any(check.status == "fail" for check in checks) else "succeeded",
                "checks": [asdict(check) for check in checks],
            }
        )
    else:
        for check in checks:
            colour = {"ok": "green", "warn": "yellow", "fail": "red"}[check.status]
            say(click.style(f"{check.status:5}", fg=colour) + f"{check.name}: {check.detail}")
            if check.hint:
                say(f"      {check.hint}")
    if any(check.status == "fail" for check in checks):
        ctx.exit(EnvironmentProblem.exit_code)
