"""The command `etl`."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
import traceback
from typing import Any

import click

from etl.cli.examples import epilog
from etl.cli.later import COMMANDS, Suggesting, must_be_here, not_yet
from etl.cli.output import fail, is_plain
from etl.cli.signals import Interrupted, Signals, signals, silence_lost
from etl.errors import EnvironmentProblem, EtlError

_COMMANDS = {
    "audit": "Prove the invariants from the tables' own logs.",
    "backfill": "Recompute a range of a target, while its stream goes on.",
    "checkpoints": "Look at checkpoints and generations.",
    "completion": "Print the script for completion in a shell.",
    "doctor": "Look at what this machine needs for a run.",
    "graph": "Draw which flow reads which dataset.",
    "history": "Show the runs, and what each committed.",
    "init": "Write a small project, or a pipeline over your own files.",
    "list": "List the pipelines: flows, last run, lag.",
    "maintain": "Keep tables small: compact, cluster, remove what nothing needs.",
    "orphans": "List what is left in storage of flows that are no more.",
    "plan": "Show what a run would do.",
    "preview": "Show a sample of what a flow would write.",
    "quarantine": "Look at quarantined rows.",
    "run": "Run a pipeline's flows.",
    "schema": "Print the JSON Schema of the YAML files, for editors.",
    "show": "Show rows of a flow's table, or of a source.",
    "test": "Run the tests that stand in pipeline files, in both modes.",
    "validate": "Check pipeline files, every mistake at once.",
    "verify": "Prove on rows that batch and stream make the same tables.",
    "warm": "Keep a session, so that commands need not start one.",
}


_ROOMS = {
    "list": "listing"
}  # a module that is imported becomes a name of this package, and would hide the built-in one
_MACHINES = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.EIO}
"""What a file can fail of that is the machine's fault, and neither the user's nor ours."""


_JSON = "etl.cli.as_json"
_NOBODY = 128 + signal.SIGPIPE


class _Lazy(Suggesting):
    """Imports a command when it is called, so that `etl --help` and `etl validate` stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if name not in _COMMANDS:
            return not_yet(f"etl {name}") if name in COMMANDS else None
        room = _ROOMS.get(name, name)
        command: click.Command = getattr(importlib.import_module(f"etl.cli.{room}"), room)
        command.epilog = epilog(name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def main(self, *given: Any, **more: Any) -> Any:
        """The whole command, with what is shown before and after its work: help, and what is wrong with its arguments."""
        try:
            return super().main(*given, **more)
        except OSError as cause:
            sys.exit(_unsaid(cause))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_JSON] = "--json" in args  # told of errors, too, before a command has looked at its own options
        try:
            return super().parse_args(ctx, args)
        except OSError as cause:  # click would take a pipe that nobody reads for a failure
            ctx.exit(_unsaid(cause))

    def invoke(self, ctx: click.Context) -> Any:
        if is_plain():
            ctx.color = False
        with signals() as heard:
            ctx.obj = heard
            try:
                return self._guarded(ctx, heard)
            except Interrupted as cause:
                with contextlib.suppress(OSError):  # the terminal may be what went
                    click.echo(("\n" if sys.stderr.isatty() else "") + heard.message(), err=True)
                silence_lost()
                ctx.exit(cause.exit_code)
            except OSError:
                if not silence_lost():
                    raise
                heard.lost()
                ctx.exit(heard.exit_code)

    def _guarded(self, ctx: click.Context, heard: Signals) -> Any:
        """The command's own; errors are shown, whatever they are, and end it with their exit code."""
        try:
            return super().invoke(ctx)
        except EtlError as cause:
            fail(cause, as_json=ctx.meta[_JSON])
            ctx.exit(cause.exit_code)
        except click.UsageError as cause:
            try:
                must_be_here(cause)
            except EtlError as later:
                fail(later, as_json=ctx.meta[_JSON])
                ctx.exit(later.exit_code)
            raise
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except Exception as cause:  # noqa: BLE001  # the last one to hear of it, whatever it is; no secret's value may be printed
            if isinstance(cause, OSError) and silence_lost():  # nobody reads what it says any more: `etl … | head -1`
                heard.lost()
                ctx.exit(heard.exit_code)
            if isinstance(cause, OSError) and cause.errno in _MACHINES:
                ctx.exit(_of_the_machine(cause, as_json=ctx.meta[_JSON]))
            from etl.config.secrets import redact  # noqa: PLC0415  # --help need not pay for it
            from etl.engine.session.gateway import death_behind  # noqa: PLC0415  # likewise

            death = death_behind(cause)
            if death is not None:
                fail(death.error(), as_json="--json" in sys.argv[1:])
                ctx.exit(death.error().exit_code)
            if os.environ.get("ETL_DEBUG"):
                click.echo(redact("".join(traceback.format_exception(cause))), err=True)
            click.echo(
                f"unexpected error: {type(cause).__name__}: {redact(str(cause))}\n"
                "  this is a fault in Twilight: please report it, with what ETL_DEBUG=1 prints in addition",
                err=True,
            )
            ctx.exit(1)


def _of_the_machine(cause: OSError, *, as_json: bool) -> int:
    """Tell what the machine lacks; the exit code."""
    what = ": ".join(filter(None, (cause.strerror, str(cause.filename or ""))))
    problem = EnvironmentProblem(what, hint="make room, or correct the permissions, and run it again")
    with contextlib.suppress(OSError):  # what says it may be what is full
        fail(problem, as_json=as_json)
    return EnvironmentProblem.exit_code


def _unsaid(cause: OSError) -> int:
    """The exit code where something could not be said: nobody reads it, or there is no room for it."""
    if silence_lost():
        return _NOBODY
    if cause.errno not in _MACHINES:
        raise cause
    return _of_the_machine(cause, as_json=False)


@click.group(cls=_Lazy)
@click.version_option(package_name="twilight-etl")
def main() -> None:
    """One declarative pipeline, run as a full batch or as a stream, into the same Delta tables.

    Exit codes: 0 done, 1 a run, an audit, a test or a verification failed, 2 wrong usage or configuration, 3 an expectation failed the run,
    4 the environment lacks something, 5 another run works on it, 128 + n ended by signal n (130 Ctrl-C, 143 kill, 129 its terminal was closed, 141 nobody reads it).
    """
