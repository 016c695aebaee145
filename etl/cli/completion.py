"""`etl completion`: the script by which a shell completes our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_INSTALL = {
    "bash": 'add to ~/.bashrc:  eval "$(etl completion bash)"',
    "zsh": 'add to ~/.zshrc:  eval "$(etl completion zsh)"',
    "fish": "etl completion fish > ~/.config/fish/completions/etl.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def completion(ctx: click.Context, shell: str, *, as_json: bool) -> None:
    """Print the script that completes commands, pipelines, environments and flows in a shell. Starts no JVM.

    bash: add `eval "$(etl completion bash)"` to ~/.bashrc; zsh: the same in ~/.zshrc; fish: write it into
    ~/.config/fish/completions/etl.fish.
    """
    maker = get_completion_class(shell)
    if maker is None:
        raise LookupError(shell)
    script = maker(ctx.find_root().command, {}, "etl", "_ETL_COMPLETE").source()
    if as_json:
        from etl.cli.output import print_json  # noqa: PLC0415  # the script needs none of it

        print_json({"shell": shell, "install": _INSTALL[shell], "script": script})
    else:
        click.echo(script)
