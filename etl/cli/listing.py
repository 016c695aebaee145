"""`etl list`: the project's pipelines, a line each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from etl.cli.complete import environments
from etl.cli.output import all_pipelines, load, mistakes_json, print_json, say
from etl.config.diagnostics import Diagnostic
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.operations.listing import PipelineListing

_HEAD = ("pipeline", "flows", "last run (UTC)", "status", "lag")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


@click.command("list")
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def listing(ctx: click.Context, environment: str, *, as_json: bool) -> None:
    """List the project's pipelines: their flows, their last run, and how old the answer of the stalest flow is. Starts no JVM.

    Exit code 2 where a pipeline has mistakes; the others are listed all the same.
    """
    listings: dict[str, PipelineListing | None] = {}
    mistakes: dict[str, Sequence[Diagnostic]] = {}
    for name in all_pipelines():
        try:
            listings[name] = _listing(name, environment)
        except ConfigurationError as cause:
            listings[name] = None
            mistakes[name] = [each for each in cause.diagnostics if isinstance(each, Diagnostic)]
    if as_json:
        print_json({"pipelines": [_document(name, of, mistakes.get(name, ())) for name, of in listings.items()]})
    else:
        say("\n".join(_table(listings, mistakes)))
    if mistakes:
        ctx.exit(ConfigurationError.exit_code)


def _listing(name: str, environment: str) -> PipelineListing:
    from etl.operations.listing import listing as look_up  # noqa: PLC0415  # the command has its name

    return look_up(load(name, environment, ()))


def _document(name: str, of: PipelineListing | None, mistakes: Sequence[Diagnostic]) -> dict[str, Any]:
    known = asdict(of) if of is not None else {"pipeline": name, "flows": [], "last_run": None, "status": None}
    return {"lag_s": None, **known, "run_id": known["last_run"], "errors": mistakes_json(mistakes)}


def _table(listings: dict[str, PipelineListing | None], mistakes: dict[str, Sequence[Diagnostic]]) -> list[str]:
    rows = [_HEAD]
    for name, of in listings.items():
        if of is None:
            count = len(mistakes[name])
            rows.append((name, "", f"{count} mistake{'' if count == 1 else 's'}", "", ""))
        else:
            at = of.started_at[:19].replace("T", " ") if of.started_at else "never"
            rows.append((name, str(len(of.flows)), at, of.status or "", _age(of.lag_s)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if mistakes:
        lines.append("`etl validate` shows the mistakes")
    return lines


def _age(seconds: float | None) -> str:
    """A length of time in its greatest unit."""
    if seconds is None:
        return ""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds / size:.0f} {unit}"
