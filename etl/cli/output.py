"""What every command has in common: its options, its JSON, its errors."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etl.cli.complete import environments, pipelines, selectors
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project
from etl.config.project import pipelines as pipelines_of
from etl.config.secrets import redact, redacted
from etl.errors import ConfigurationError, EtlError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.config.spec import PipelineSpec
    from etl.errors import Mistake
    from etl.planning.backfill import BackfillResult
    from etl.planning.replay import ReplayResult

F = TypeVar("F", bound="Callable[..., Any]")


def pipeline_options(command: F) -> F:
    """`PIPELINE --env --param --json`."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output."),
        click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param."),
        click.option(
            "--env",
            "environment",
            default="local",
            show_default=True,
            help="conf/<env>.yml.",
            shell_complete=environments,
        ),
        click.argument("pipeline", shell_complete=pipelines),
    ):
        command = option(command)
    return command


def selection_options(command: F) -> F:
    """`--mode --select --exclude --full-refresh`."""
    for option in (
        click.option("--full-refresh", is_flag=True, help="Rebuild in a new generation, whatever is there."),
        click.option("--exclude", multiple=True, metavar="SELECTOR", help="Leave flows out.", shell_complete=selectors),
        click.option(
            "--select",
            multiple=True,
            metavar="SELECTOR",
            help="flow, +flow, flow+ or tag:nightly.",
            shell_complete=selectors,
        ),
        click.option("--mode", type=click.Choice(["batch", "stream"]), help="Default: the pipeline's run.mode."),
    ):
        command = option(command)
    return command


def load(pipeline: str, environment: str, params: tuple[str, ...]) -> PipelineSpec:
    """The pipeline of a command's arguments."""
    from etl.config.load import load as load_spec  # noqa: PLC0415  # --help need not pay for it

    given = {}
    for item in params:
        name, sign, value = item.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"'{item}' is not of the form name=value", param_hint="--param")
        given[name] = value
    return load_spec(pipeline, environment=environment, params=given)


def must_be_flows(spec: PipelineSpec, names: Sequence[str]) -> None:
    """click.BadParameter where `--flow` names something else."""
    for name in names:
        if spec.flow(name) is None:
            known = ", ".join(flow.name for flow in spec.flows)
            raise click.BadParameter(f"there is no flow '{name}'; the flows are: {known}", param_hint="--flow")


def all_pipelines() -> tuple[str, ...]:
    """Every pipeline of the project that the current folder is in."""
    project = find_project(Path.cwd())
    found = pipelines_of(project) if project else ()
    if not found:
        raise ConfigurationError(
            [Diagnostic("E120", "there is no pipeline here", hint="go to the folder that holds pipelines/")]
        )
    return found


def print_json(document: Any) -> None:
    """One document, and nothing else, on standard output; the values of secrets are not in it."""
    sys.stdout.write(json.dumps(redacted(document), indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Text for a person on standard output; the values of secrets are not in it."""
    click.echo(redact(text))


def mistakes_json(found: Sequence[Mistake]) -> list[dict[str, Any]]:
    """Mistakes, or warnings, one by one."""
    return [
        {
            "code": item.code,
            "message": item.message,
            "file": item.at.file or None,
            "line": item.at.line or None,
            "column": item.at.column or None,
            "hint": item.hint or None,
            "severity": "warning" if item.code.startswith("W") else "error",
        }
        for item in found
    ]


def warn(found: Sequence[Mistake]) -> None:
    """Show what works, and should be looked at."""
    for item in found:
        for number, line in enumerate(item.render().splitlines()):
            click.secho(line, fg="yellow" if number == 0 else None, err=True)


def show_result(result: BackfillResult | ReplayResult, *, as_json: bool) -> None:
    """What a part of a target that was computed anew came to: as JSON, or its warnings and itself in words."""
    if as_json:
        print_json(asdict(result))
        return
    for message in result.warnings:
        click.secho(f"warning: {message}", fg="yellow", err=True)
    say(repr(result))


def errors_json(cause: EtlError) -> list[dict[str, Any]]:
    """An error as JSON, a configuration error mistake by mistake."""
    if isinstance(cause, ConfigurationError):
        return mistakes_json(cause.diagnostics)
    return [
        {
            "code": None,
            "message": cause.what,
            "file": cause.where or None,
            "line": None,
            "column": None,
            "hint": cause.hint or None,
            "severity": "error",
        }
    ]


def fail(cause: EtlError, *, as_json: bool) -> None:
    """Show an error: what, where, what next."""
    if as_json:
        print_json({"status": "failed", "errors": errors_json(cause)})
        return
    lines = str(cause).splitlines()
    for line in lines:
        stop = "[E" in line or line == lines[0]
        click.secho(line, fg="red" if stop else None, err=True)
