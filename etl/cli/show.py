"""`etl show`: rows of a table or of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.complete import environments, selectors
from etl.cli.layout import columns
from etl.cli.named import named
from etl.cli.output import load, print_json, say
from etl.cli.rows_table import rows_table

if TYPE_CHECKING:
    from etl.planning.excerpt import Excerpt


@click.command(short_help="Show rows of a flow's table, or of a source.")
@click.argument("names", nargs=-1, required=True, metavar="[PIPELINE] FLOW|SOURCE", shell_complete=selectors)
@click.option("--sql", metavar="QUERY", help="A query over it, by its name.")
@click.option("--version", type=int, help="A version of the table. [default: its newest]")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True, help="At most so many rows.")
@click.option("--quarantine", is_flag=True, help="The rows that the flow has quarantined.")
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--param", "params", multiple=True, metavar="K=V", help="Override a param.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def show(
    names: tuple[str, ...],
    sql: str | None,
    version: int | None,
    limit: int,
    environment: str,
    params: tuple[str, ...],
    *,
    quarantine: bool,
    as_json: bool,
) -> None:
    """Show what a flow has written, or what a source holds: some rows, or a query's. Writes nothing.

    Tables are read without Spark. Spark is started for files, and for the few tables that other readers do not read right.
    PIPELINE may be left out where one pipeline of the project has a flow or source of that name. Values of sensitive columns are shown as ***.
    """
    from etl.operations.show import ShowRequest  # noqa: PLC0415  # --help need not pay for it
    from etl.operations.show import show as look  # noqa: PLC0415  # the command has its name

    pipeline, dataset = named(
        names,
        environment,
        command="show",
        noun="flow or source",
        has=lambda spec, name: spec.flow(name) is not None or spec.source(name) is not None,
    )
    request = ShowRequest(dataset, sql=sql, version=version, limit=limit, quarantine=quarantine)
    excerpt = look(load(pipeline, environment, params), request)
    if as_json:
        print_json(excerpt.document())
    else:
        say("\n".join(_lines(excerpt, columns())))


def _lines(excerpt: Excerpt, wide: int | None) -> list[str]:
    table = rows_table([(column.name, column.type) for column in excerpt.columns], excerpt.rows, wide)
    return [*table, "", excerpt.summary, *(f"  {note}" for note in excerpt.notes)]
