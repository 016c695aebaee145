"""`etl schema`: what an editor needs to complete and check the YAML files."""

from __future__ import annotations

import click

from etl.cli.output import print_json


@click.command()
@click.argument("which", type=click.Choice(["pipeline", "environment"]), default="pipeline")
@click.option("--json", "as_json", is_flag=True, help="No difference: a schema is JSON.")
def schema(which: str, *, as_json: bool) -> None:  # noqa: ARG001  # every command takes --json
    """Print the JSON Schema (draft 2020-12) of pipeline.yml, or of conf/<env>.yml. Starts no JVM.

    Editors with a YAML language server use it where a file's first line is `# yaml-language-server: $schema=<path>`.
    """
    from etl.config.grammar.json_schema import SCHEMAS  # noqa: PLC0415  # --help need not pay for it

    print_json(SCHEMAS[which]())
