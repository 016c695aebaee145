"""`etl orphans`: what is left in storage of flows that are no more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.layout import near
from etl.cli.output import harmless, load, pipeline_options, print_json, say
from etl.cli.signals import leaves
from etl.errors import LockHeld

if TYPE_CHECKING:
    from etl.operations.maintenance.orphans import Orphan, Orphans


@click.command()
@pipeline_options
@click.option("--remove", "is_removal", is_flag=True, help="Remove what is listed, for good.")
@click.pass_context
def orphans(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    *,
    is_removal: bool,
    as_json: bool,
) -> None:
    """List what storage still has of flows that the pipeline no longer has: tables, quarantine, state, checkpoints. Starts no JVM.

    With --remove, say what goes and remove it, for good. Exit code 5 where another run works on one of them, which then stays; 1 where one
    stays since it leads out of storage.
    """
    if is_removal:
        leaves("what was removed is gone; the same command removes the rest")
    from etl.operations.maintenance.orphans import orphans as look  # noqa: PLC0415  # the command has its name
    from etl.operations.maintenance.orphans import remove  # noqa: PLC0415  # --help need not pay for it

    spec = load(pipeline, environment, params)
    found = look(spec)
    if not as_json:
        say(_head(found))
    if is_removal:
        found = remove(spec, found, lambda orphan: None if as_json else say("\n".join(_lines(orphan, "removing "))))
    if as_json:
        print_json(asdict(found))
    else:
        _show(found, is_removal=is_removal)
    left = [orphan for orphan in found.orphans if orphan.reason]
    if left:
        ctx.exit(1 if any(orphan.kept for orphan in left) else LockHeld.exit_code)


def _head(found: Orphans) -> str:
    count = len(found.orphans)
    return f"{found.pipeline}: {count or 'no'} orphan{'' if count == 1 else 's'} in {near(found.storage)}"


def _show(found: Orphans, *, is_removal: bool) -> None:
    """What was listed, or what was not removed."""
    for orphan in found.orphans:
        if not is_removal:
            say("\n".join(_lines(orphan, "")))
        elif orphan.reason:
            click.secho(harmless(f"{orphan.flow} stays: {orphan.reason}"), fg="yellow", err=True)
        elif orphan.table:
            say(f"  the catalog still knows it as {orphan.table}: DROP TABLE {orphan.table}")
    for name in () if is_removal else found.unread:
        click.secho(
            harmless(f"warning: pipeline '{name}' has mistakes, so what it owns is not known"), fg="yellow", err=True
        )
    if found.orphans and not is_removal:
        say(f"`etl orphans {found.pipeline} --remove` removes them; `was:` lets a renamed flow keep its table")


def _lines(orphan: Orphan, doing: str) -> list[str]:
    at = f", last commit {orphan.last_commit[:19].replace('T', ' ')} UTC" if orphan.last_commit else ""
    size = f"{orphan.bytes:,} bytes in {orphan.files:,} file{'' if orphan.files == 1 else 's'}"
    lines = [f"  {doing}{orphan.flow}: {size}{at}", *(f"      {folder}" for folder in orphan.places)]
    lines += [f"      {folder} (a link, or beyond one: it is never removed)" for folder in orphan.kept]
    return [*lines, *([f"      known to the catalog as {orphan.table}"] if orphan.table else [])]
