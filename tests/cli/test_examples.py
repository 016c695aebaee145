"""The examples at the end of each `--help`: every command has some, and each is one that the command takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.cli.examples import EXAMPLES


def commands() -> Iterator[tuple[str, ...]]:
    group = click.Context(main, info_name="etl")
    for name in main.list_commands(group):
        yield (name,)
        command = main.get_command(group, name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.list_commands(click.Context(command, info_name=name)))


def test_every_command_has_examples_and_no_other() -> None:
    named = {" ".join(path) for path in commands() if path[0] != "completion"} | {"completion"}
    assert set(EXAMPLES) == named


@pytest.mark.parametrize("command", sorted(EXAMPLES))
def test_an_example_stands_in_the_help_whole_and_is_one_that_the_command_takes(command: str) -> None:
    shown = CliRunner().invoke(main, [*command.split(), "--help"], terminal_width=80).output
    for example in EXAMPLES[command]:
        assert f"  {example}\n" in shown, shown
        assert len(example) + 2 <= 80  # columns
        words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"'))
        assert words[: 1 + len(command.split())] == ["etl", *command.split()] or command in (
            "checkpoints",
            "quarantine",
        )
        context: click.Context = click.Context(main, info_name="etl")
        parsed: click.Command = main
        rest = words[1:]
        while isinstance(parsed, click.Group):
            below = parsed.get_command(context, rest[0])
            assert below is not None, example
            context = click.Context(below, info_name=rest[0], parent=context)
            parsed, rest = below, rest[1:]
        parsed.make_context(parsed.name, rest, parent=context.parent)  # raises UsageError for what it does not take
