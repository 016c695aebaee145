"""Commands, flags and words that the contract names and this version does not have: told so, in one sentence."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from etl.cli.examples import epilog
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.errors import ConfigurationError

COMMANDS = frozenset(
    {
        "deploy", "diff", "docs", "forget", "image", "import", "lineage", "repeat", "schedule", "serve",
        "studio", "wait",
    }
)  # fmt: skip
"""Of `etl` itself."""

_FLAGS = {
    "run": frozenset({"--repair", "--plan", "--approve"}),
    "plan": frozenset({"--out"}),
}
_WORDS = {("--mode", "auto")}


class Suggesting(click.Group):
    """A group that says which of its commands was meant, and whose commands end their help with examples."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is not None:
            command.epilog = epilog(f"{self.name} {name}")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as cause:
            near = did_you_mean(args[0], self.list_commands(ctx)) if args else ""
            raise click.UsageError(f"{cause.message.rstrip('.')}; {near}" if near else cause.message, ctx) from None


class Group(Suggesting):
    """A group some of whose commands a later version brings."""

    def __init__(self, *given: Any, later: frozenset[str] = frozenset(), **more: Any) -> None:
        super().__init__(*given, **more)
        self._later = later

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        command = super().get_command(ctx, name)
        if command is None and name in self._later:
            not_yet(f"etl {ctx.info_name} {name}")
        return command


def not_yet(what: str) -> NoReturn:
    """ConfigurationError that says so."""
    hint = "a later version brings it; `etl --help` shows what there is"
    raise ConfigurationError([Diagnostic("E900", f"`{what}` is not supported yet", hint=hint)])


def must_be_here(cause: click.UsageError) -> None:
    """ConfigurationError where wrong usage is usage that a later version knows."""
    command = cause.ctx.info_name if cause.ctx is not None and cause.ctx.info_name else ""
    if isinstance(cause, click.NoSuchOption) and cause.option_name in _FLAGS.get(command, ()):
        not_yet(f"etl {command} {cause.option_name}")
    if isinstance(cause, click.BadParameter) and cause.param is not None:
        for flag, word in _WORDS:
            if flag in cause.param.opts and f"'{word}'" in cause.message:
                not_yet(f"etl {command} {flag} {word}")
