"""What every command has in common: its options, its JSON, its errors."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from etl.cli.complete import environments, pipelines, selectors
from etl.cli.layout import STYLE, columns, fitted, near
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
    return environment_options(click.argument("pipeline", shell_complete=pipelines)(command))


def environment_options(command: F) -> F:
    """`--env --param --json`."""
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
    ):
        command = option(command)
    return command


def session_options(command: F) -> F:
    """`--cold`, which `etl.__main__` heeds before there is a command: by then it has been decided in which process it runs."""
    return click.option(
        "--cold", is_flag=True, expose_value=False, help="Start Spark anew, though a session stays (etl warm)."
    )(command)


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

    return load_spec(pipeline, environment=environment, params=_values(params))


def load_together(names: Sequence[str], environment: str, params: tuple[str, ...]) -> tuple[PipelineSpec, ...]:
    """The pipelines of a command's arguments, each once; ConfigurationError with the mistakes of all of them."""
    from etl.config.load import load_together as load_specs  # noqa: PLC0415  # --help need not pay for it

    return load_specs(names, environment=environment, params=_values(params))


def _values(params: tuple[str, ...]) -> dict[str, str]:
    """The params as `--param` gives them; click.BadParameter where one has no value."""
    values = {}
    for param in params:
        name, sign, value = param.partition("=")
        if not sign or not name:
            raise click.BadParameter(f"'{param}' is not of the form name=value", param_hint="--param")
        values[name] = value
    return values


def seconds_of(text: str, option: str) -> float:
    """The seconds of a duration. Raises BadParameter of `option` where the text is none."""
    from etl.config.grammar.values import seconds  # noqa: PLC0415  # only where there is one to check

    try:
        return seconds(text)
    except ValueError as cause:
        raise click.BadParameter(str(cause), param_hint=option) from None


def must_be_flows(spec: PipelineSpec, names: Sequence[str]) -> None:
    """click.BadParameter where `--flow` names something else."""
    for name in names:
        if spec.flow(name) is None:
            flows = ", ".join(flow.name for flow in spec.flows)
            raise click.BadParameter(f"there is no flow '{name}'; the flows are: {flows}", param_hint="--flow")


def all_pipelines() -> tuple[str, ...]:
    """Every pipeline of the project that the current folder is in."""
    project = find_project(Path.cwd())
    names = pipelines_of(project) if project else ()
    if not names:
        raise ConfigurationError(
            [Diagnostic("E120", "there is no pipeline here", hint="go to the folder that holds pipelines/")]
        )
    return names


def print_json(document: Any) -> None:
    """One document, and nothing else, on standard output; the values of secrets are not in it."""
    sys.stdout.write(json.dumps(redacted(document), indent=2, ensure_ascii=_is_narrow(sys.stdout)) + "\n")
    sys.stdout.flush()  # a reader that is gone is told of here, not by the end of the process


def say(text: str, *, as_is: bool = False) -> None:
    """Text for a person on standard output; the values of secrets are not in it, nor what would move a terminal's cursor.

    `as_is`: it is code, whose lines are not broken where the terminal is narrower.
    """
    shown = harmless(redact(text))
    click.echo(shown if as_is else fitted(shown, columns()))


def complain(text: str, colour: str | None = None) -> None:
    """Text for a person on standard error, its first line in a colour; paths are told from the project on."""
    lines = fitted(near(harmless(redact(text))), columns(sys.stderr)).split("\n")
    for number, line in enumerate(lines):
        click.secho(line, fg=colour if number == 0 else None, err=True)


def is_plain() -> bool:
    """Whether colours are not wanted (https://no-color.org), or the terminal has none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def is_coloured() -> bool:
    """Whether standard output is a terminal that shows colours, and they are wanted."""
    return sys.stdout.isatty() and not is_plain()


def harmless(text: str) -> str:
    """The text with control characters, which come from data and would garble a terminal, written out; our own colours stay."""
    if text.isprintable():
        return text
    parts = STYLE.split(text)
    return "".join(part if number % 2 else _written_out(part) for number, part in enumerate(parts))


def _written_out(text: str) -> str:
    return "".join(
        letter if letter in "\n\t" or unicodedata.category(letter) != "Cc" else f"\\x{ord(letter):02x}"
        for letter in text
    )


def _is_narrow(stream: Any) -> bool:
    """Whether a stream takes only some of Unicode's letters."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"


def mistakes_json(mistakes: Sequence[Mistake]) -> list[dict[str, Any]]:
    """Mistakes, or warnings, as JSON."""
    return [
        {
            "code": mistake.code,
            "message": mistake.message,
            "file": mistake.at.file or None,
            "line": mistake.at.line or None,
            "column": mistake.at.column or None,
            "hint": mistake.hint or None,
            "severity": "warning" if mistake.code.startswith("W") else "error",
        }
        for mistake in mistakes
    ]


def warn(mistakes: Sequence[Mistake]) -> None:
    """Show what works, and should be looked at."""
    for mistake in mistakes:
        _show(mistake, "yellow")


def _show(mistake: Mistake, colour: str) -> None:
    for number, line in enumerate(mistake.render(columns(sys.stderr)).split("\n")):
        click.secho(harmless(line), fg=colour if number == 0 else None, err=True)


def show_result(result: BackfillResult | ReplayResult, *, as_json: bool) -> None:
    """What a part of a target that was recomputed came to: as JSON, or its warnings and itself in words."""
    if as_json:
        from etl.cli.documents import recomputed_document  # noqa: PLC0415  # most commands print another one

        print_json(recomputed_document(result))
        return
    for message in result.warnings:
        complain(f"warning: {message}", "yellow")
    say(near(repr(result)))


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
    if isinstance(cause, ConfigurationError):
        for mistake in cause.diagnostics:
            _show(mistake, "red")
    else:
        complain(str(cause), "red")
