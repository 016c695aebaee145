"""`etl init`: a new project, or a pipeline over one's own files."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.output import print_json, say

if TYPE_CHECKING:
    from etl.operations.inference.sources import InferredSource
    from etl.operations.init import InitResult


@click.command()
@click.argument("folder", metavar="DIR")
@click.option(
    "--from",
    "origin",
    metavar="PATH",
    help="A file, folder or glob (csv, json, parquet; .gz too) to read; its schema is guessed.",
)
@click.option("--name", help="The pipeline's name. Default: the folder's.")
@click.option(
    "--header/--no-header", default=None, help="Whether the first line of CSV files holds names. Default: guessed."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def init(folder: str, origin: str | None, name: str | None, *, header: bool | None, as_json: bool) -> None:
    """Write a small project into DIR that runs at once: over rows of its own, or with --from over your files where they lie.

    Nothing is overwritten: where DIR holds a file of the same name, nothing is written at all. In a project that is there
    already, only the pipeline is added. Starts no JVM, but for Parquet files where pyarrow is not installed.
    """
    from etl.operations.init import init as make  # noqa: PLC0415  # --help need not pay for it

    if header is not None and origin is None:
        raise click.UsageError("--header and --no-header are for --from")
    made = make(Path(folder), name=name, origin=origin, header=header)
    if as_json:
        print_json(document(made))
    else:
        say(text(made))


def document(made: InitResult) -> dict[str, object]:
    """What was made, as JSON."""
    return {
        "status": "succeeded",
        "project": str(made.folder),
        "pipeline": made.pipeline,
        "written": list(made.written),
        "kept": list(made.kept),
        "sources": [{**asdict(source), "options": dict(source.options)} for source in made.sources],
        "next": commands(made),
    }


def commands(made: InitResult) -> list[str]:
    """What to type next."""
    there = [] if made.folder == Path.cwd() else [f"cd {_quoted(os.path.relpath(made.folder))}"]
    return [*there, "etl validate", f"etl run {made.pipeline}"]


def text(made: InitResult) -> str:
    """What was made, for a person."""
    lines = []
    for source in made.sources:
        lines += [*_source(source), ""]
    is_below = made.folder != Path.cwd() and made.folder.is_relative_to(Path.cwd())
    lines += [
        f"written into {os.path.relpath(made.folder) if is_below else made.folder}:",
        *(f"  {file}" for file in made.written),
    ]
    if made.kept:
        lines.append(f"left as they are: {', '.join(made.kept)}")
    return "\n".join([*lines, "", "next:", *(f"  {command}" for command in commands(made))])


def _source(source: InferredSource) -> list[str]:
    count = f"{source.files} file{'s' if source.files != 1 else ''}"
    if source.format == "delta":
        return [f"{source.name}: the Delta table {source.path}, which knows its own schema"]
    if source.rows is None:
        head = f"{source.name}: {source.format}, {count} at {source.path}; the files say their schema themselves"
    else:
        part = "all" if source.whole else "the first"
        head = f"{source.name}: {source.format}, {count} at {source.path}; guessed from {part} {source.rows:,} rows"
    width = max(len(column.name) for column in source.columns)
    lines = [head, *(f"  {column.name:{width}}  {column.type}" for column in source.columns)]
    return [*lines, *(f"  note: {note}" for note in source.notes)]


def _quoted(path: str) -> str:
    import shlex  # noqa: PLC0415  # used here alone

    return shlex.quote(path)
