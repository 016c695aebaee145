"""`etl validate`: every mistake at once, without a JVM."""

from __future__ import annotations

from pathlib import Path

import click

from etl.cli.complete import environments
from etl.cli.complete import pipelines as known_pipelines
from etl.cli.output import errors_json, fail, load, mistakes_json, print_json, warn
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project, pipelines
from etl.errors import ConfigurationError


@click.command()
@click.argument("names", shell_complete=known_pipelines, nargs=-1, metavar="[PIPELINE]...")
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def validate(
    ctx: click.Context, names: tuple[str, ...], environment: str, params: tuple[str, ...], *, as_json: bool
) -> None:
    """Check pipelines: the named ones, or all of the project. Starts no JVM, writes nothing."""
    chosen = names or _all()
    documents = []
    failed = False
    for name in chosen:
        try:
            spec = load(name, environment, params)
        except ConfigurationError as cause:
            failed = True
            documents.append({"pipeline": name, "status": "failed", "errors": errors_json(cause)})
            if not as_json:
                fail(cause, as_json=False)
        else:
            warnings = mistakes_json(spec.warnings)
            documents.append({"pipeline": spec.name, "status": "succeeded", "errors": [], "warnings": warnings})
            if not as_json:
                warn(spec.warnings)
                click.echo(f"{spec.name}: ok, {len(spec.sources)} sources, {len(spec.flows)} flows")
    if as_json:
        print_json({"status": "failed" if failed else "succeeded", "pipelines": documents})
    if failed:
        ctx.exit(ConfigurationError.exit_code)


def _all() -> tuple[str, ...]:
    project = find_project(Path.cwd())
    found = pipelines(project) if project else ()
    if not found:
        raise ConfigurationError(
            [Diagnostic("E120", "there is no pipeline here", hint="go to the folder that holds pipelines/")]
        )
    return found
