"""`etl validate`: every mistake at once, without a JVM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.complete import environments
from etl.cli.complete import pipelines as known_pipelines
from etl.cli.output import all_pipelines, fail, load, mistakes_json, print_json, say, warn
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project
from etl.errors import ConfigurationError
from etl.markup import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.spec import PipelineSpec


@click.command()
@click.argument("names", shell_complete=known_pipelines, nargs=-1, metavar="[PIPELINE]...")
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param.")
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def validate(
    ctx: click.Context,
    names: tuple[str, ...],
    environment: str,
    params: tuple[str, ...],
    *,
    strict: bool,
    as_json: bool,
) -> None:
    """Check pipelines: the named ones, or all of the project and every environment. Starts no JVM, writes nothing."""
    wrong: list[Diagnostic] = []
    warned: list[Diagnostic] = []
    documents = []
    for name in names or all_pipelines():
        try:
            spec = load(name, environment, params)
        except ConfigurationError as cause:
            mistakes = [mistake for mistake in cause.diagnostics if isinstance(mistake, Diagnostic)]
            wrong += mistakes
            documents.append({"pipeline": name, "status": "failed", "errors": mistakes_json(mistakes)})
        else:
            warned += spec.warnings
            warnings = mistakes_json(spec.warnings)
            unjudged = [{"flow": flow, "reason": reason} for flow, reason in spec.unjudged]
            documents.append(
                {
                    "pipeline": spec.name,
                    "status": "succeeded",
                    "errors": [],
                    "warnings": warnings,
                    "unjudged": unjudged,
                }
            )
            if not as_json:
                say(f"{spec.name}: ok, {counted(len(spec.sources), 'source')}, {counted(len(spec.flows), 'flow')}")
                _show_unjudged(spec)
    if not names:
        wrong += _environments(environment)
    wrong, warned = _in_order(wrong), _in_order(warned)
    failed = bool(wrong or (strict and warned))
    if as_json:
        print_json(
            {
                "status": "failed" if failed else "succeeded",
                "errors": mistakes_json(wrong),
                "warnings": mistakes_json(warned),
                "pipelines": documents,
            }
        )
    else:
        warn(warned)
        if wrong:
            fail(ConfigurationError(wrong), as_json=False)
        if wrong or warned:
            click.echo(_summary(wrong, warned), err=True)
    if failed:
        ctx.exit(ConfigurationError.exit_code)


def _in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each once, though several pipelines share a file of the environment, in the order of the files."""
    return sorted(
        dict.fromkeys(diagnostics),
        key=lambda diagnostic: (
            diagnostic.at.file,
            diagnostic.at.line,
            diagnostic.at.column,
            diagnostic.code,
            diagnostic.message,
        ),
    )


def _show_unjudged(spec: PipelineSpec) -> None:
    """The flows in which names of columns are left to Spark, by the reason."""
    for reason in dict.fromkeys(reason for _, reason in spec.unjudged):
        flows = ", ".join(flow for flow, other in spec.unjudged if other == reason)
        say(f"  columns left to Spark: {flows} ({reason})")


def _summary(wrong: list[Diagnostic], warned: list[Diagnostic]) -> str:
    counts = [
        counted(len(diagnostics), word)
        for diagnostics, word in ((wrong, "mistake"), (warned, "warning"))
        if diagnostics
    ]
    files = {diagnostic.at.file for diagnostic in (*wrong, *warned)}
    return f"{' and '.join(counts)} in {counted(len(files), 'file')}"


def _environments(but: str) -> list[Diagnostic]:
    from etl.config.load import check_environments  # noqa: PLC0415  # --help need not pay for it

    project = find_project(Path.cwd())
    return check_environments(project, but) if project else []
