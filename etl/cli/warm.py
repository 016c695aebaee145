"""`etl warm`: a session that stays, so that the commands of an afternoon need not start one each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etl.cli.complete import environments
from etl.cli.later import Suggesting
from etl.cli.output import print_json, say, seconds_of
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE_S, _HOUR_S = 60.0, 3600.0


@click.group(cls=Suggesting)
def warm() -> None:
    """Keep a session for the commands `run`, `preview`, `test`, `verify` and `plan`, typed in the project's folder.

    They use it by themselves; --cold does without. What they put out, and how they end, is the same.
    """


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(command)
    return click.option(
        "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
    )(command)


@warm.command(short_help="Start a session that stays.")
@_options
@click.option(
    "--idle", default="30 minutes", show_default=True, metavar="D", help="End it when no command came for so long."
)
def start(environment: str, idle: str, *, as_json: bool) -> None:
    """Start a session that stays for this project and environment, and wait until it is ready; one that is there stays as it is.

    One of another version, or started with other variables, is ended first.
    """
    from etl.warm import starting  # noqa: PLC0415  # --help need not pay for it
    from etl.warm.keeper import any_pipeline  # noqa: PLC0415  # likewise

    idle_s = seconds_of(idle, "--idle")
    if idle_s <= 0:
        raise click.BadParameter("a session that stays is idle for longer than nothing", param_hint="--idle")
    project = _project()
    any_pipeline(project, environment)
    found = starting.ask(project, environment, "status")
    word = "there is one"
    if found is None or not starting.serves(project, environment):
        starting.stop(project, environment)
        found, word = starting.start(project, environment, idle_s=idle_s), "started"
    _show(found, environment, word, as_json=as_json)


@warm.command(short_help="Show the session that stays.")
@_options
def status(environment: str, *, as_json: bool) -> None:
    """Show the session that stays: its processes, age and memory, the commands it has run, and why the last one that it declined was declined."""
    from etl.warm import starting  # noqa: PLC0415  # --help need not pay for it

    _show(starting.ask(_project(), environment, "status"), environment, "", as_json=as_json)


@warm.command(short_help="End the session that stays.")
@_options
def stop(environment: str, *, as_json: bool) -> None:
    """End the session that stays; where a command is in it, when that has ended."""
    from etl.warm import starting  # noqa: PLC0415  # --help need not pay for it

    found = starting.stop(_project(), environment)
    is_busy = found is not None and found["state"] == "busy"
    _show(found, environment, "ends with the command that is in it" if is_busy else "ended", as_json=as_json)


def _project() -> Path:
    """The folder of the project; commands that are typed there use the session."""
    project = find_project(Path.cwd())
    if project is None:
        raise ConfigurationError(
            [Diagnostic("E120", "there is no pipeline here", hint="go to the folder that holds pipelines/")]
        )
    return project.absolute()


def _show(found: dict[str, Any] | None, environment: str, word: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"environment": environment, "running": found is not None, "session": found, "did": word or None})
        return
    if found is None:
        say(f"no session stays for environment {environment} (etl warm start)")
        return
    state = found["state"] if not found["stopping"] or word == "ended" else "stopping"
    lines = [
        f"environment {environment}: {word or state}, process {found['pid']}, JVM {found['jvm_pid'] or 'none'}, {found['memory_bytes'] / 1e6:,.0f} MB",
        f"  {_duration(found['age_s'])} old, idle for {_duration(found['idle_s'])}, ends after {_duration(found['idle_limit_s'])} idle",
        f"  {found['commands']} commands run in it, {found['declined']} declined"
        + (f", the last since: {found['last_declined']}" if found["last_declined"] else ""),
        f"  log: {found['log']}",
    ]
    say("\n".join(lines))


def _duration(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
