"""`etl preview`: a sample of what a flow would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.complete import environments, selectors
from etl.cli.layout import columns
from etl.cli.named import named
from etl.cli.output import load, print_json, say, session_options
from etl.cli.rows_table import rows_table

if TYPE_CHECKING:
    from etl.planning.preview import PreviewResult


@click.command()
@session_options
@click.argument("names", nargs=-1, required=True, metavar="[PIPELINE] FLOW", shell_complete=selectors)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many rows.")
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def preview(names: tuple[str, ...], limit: int, environment: str, params: tuple[str, ...], *, as_json: bool) -> None:
    """Run a flow's own transform and expectations over a sample of its inputs, and show what it would write.

    A target that exists is read; what has not run yet is computed from its own inputs. Nothing is written. PIPELINE may be left out
    where one pipeline of the project has a flow of that name; PIPELINE.FLOW does as well.
    """
    from etl.operations.preview import preview as look  # noqa: PLC0415  # the command has its name

    pipeline, flow = named(names, environment, command="preview", has=lambda spec, name: spec.flow(name) is not None)
    result = look(load(pipeline, environment, params), flow, limit=limit)
    if as_json:
        print_json(result.document())
        return
    say("\n".join(_lines(result, columns())))


def _lines(result: PreviewResult, wide: int | None = None) -> list[str]:
    """A table of rows as wide as a terminal, or as it comes, and what would become of them."""
    rows = [[row.get(name) for name, _ in result.columns] for row in result.rows]
    lines = rows_table(result.columns, rows, wide)
    return [*lines, "", result.summary, *(f"  {note}" for note in result.notes), "Nothing was written."]
