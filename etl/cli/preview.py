"""`etl preview`: a sample of what a flow would write."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etl.cli.complete import environments, selectors
from etl.cli.layout import cells, columns
from etl.cli.output import harmless, load, print_json, say
from etl.config.diagnostics import Diagnostic
from etl.config.project import find_project, pipelines
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from etl.planning.preview import PreviewResult

_WIDEST = 32  # characters of one cell
_NARROWEST = 9  # to which a narrow terminal may bring it down


@click.command()
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

    pipeline, flow = _named(names, environment)
    result = look(load(pipeline, environment, params), flow, limit=limit)
    if as_json:
        document = asdict(result)
        document["columns"] = [{"name": name, "type": kind} for name, kind in result.columns]
        document["violated"] = dict(result.violated)
        print_json(document)
        return
    say("\n".join(_lines(result, columns())))


def _named(names: tuple[str, ...], environment: str) -> tuple[str, str]:
    if len(names) > 2:  # noqa: PLR2004  # a pipeline and a flow
        raise click.UsageError("one flow is previewed at a time: etl preview [PIPELINE] FLOW")
    if len(names) == 2:  # noqa: PLR2004  # a pipeline and a flow
        return names[0], names[1]
    whole, dot, flow = names[0].rpartition(".")
    if dot and "/" not in flow:
        return whole, flow
    root = find_project(Path.cwd())
    pipeline_names = pipelines(root) if root is not None else ()
    having = [name for name in pipeline_names if _has(name, names[0], environment)]
    if len(having) == 1:
        return having[0], names[0]
    if having:
        message = f"several pipelines have a flow '{names[0]}': {', '.join(having)}"
        hint = f"say which: etl preview {having[0]} {names[0]}"
    else:
        message = f"no pipeline here has a flow '{names[0]}'"
        hint = (
            f"the pipelines are: {', '.join(pipeline_names)}"
            if pipeline_names
            else "go to the folder that holds pipelines/, or name a pipeline"
        )
    raise ConfigurationError([Diagnostic("E250", message, hint=hint)])


def _has(pipeline: str, flow: str, environment: str) -> bool:
    """Whether a pipeline that can be read has the flow; one that cannot has none that could be shown."""
    try:
        return load(pipeline, environment, ()).flow(flow) is not None
    except ConfigurationError:
        return False


def _lines(result: PreviewResult, wide: int | None = None) -> list[str]:
    """A table of rows as wide as a terminal, or as it comes; columns for which there is no room are named below it."""
    names = [name for name, _ in result.columns]
    head = [names, [kind for _, kind in result.columns]]
    body = [[_cell(row.get(name)) for name in names] for row in result.rows]
    table = [[_short(text, _WIDEST) for text in line] for line in (*head, *body)]
    widths = [max(cells(line[i]) for line in table) for i in range(len(names))]
    left_out: list[str] = []
    if wide is not None:
        _narrow(widths, wide)
        while len(widths) > 1 and _whole(widths) > wide:
            widths.pop()
            left_out.insert(0, names[len(widths)])
    lines = ["  ".join(map(_padded, line, widths)).rstrip() for line in table]
    lines.insert(2, "  ".join("-" * width for width in widths))
    if left_out:
        lines.append(f"… and {len(left_out)} more: {', '.join(left_out)} (a wider terminal, or --json, shows them)")
    return [*lines, "", result.summary, *(f"  {note}" for note in result.notes), "Nothing was written."]


def _narrow(widths: list[int], wide: int) -> None:
    """Take from the widest columns what is too much for the terminal, down to what can still be read."""
    while _whole(widths) > wide and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1


def _whole(widths: list[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _padded(text: str, width: int) -> str:
    fitting = _short(text, width)
    return fitting + " " * (width - cells(fitting))


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _short(text: str, width: int) -> str:
    flat = harmless(text).replace("\n", "\\n").replace("\t", "\\t")
    if cells(flat) <= width:
        return flat
    while cells(flat) > width - 1:
        flat = flat[:-1]
    return flat + "…"
