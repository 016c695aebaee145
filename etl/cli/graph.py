"""`etl graph`: which flow reads which dataset, as text, Mermaid or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.complete import selectors
from etl.cli.output import load, pipeline_options, print_json, say
from etl.markup import counted

if TYPE_CHECKING:
    from etl.planning.picture import Node, Picture


@click.command()
@pipeline_options
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "json"]), help="Default: text.")
@click.option(
    "--select", multiple=True, metavar="SELECTOR", help="flow, +flow, flow+ or tag:nightly.", shell_complete=selectors
)
@click.option("--exclude", multiple=True, metavar="SELECTOR", help="Leave flows out.", shell_complete=selectors)
def graph(
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    form: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Draw which flow reads which dataset, and how. Starts no JVM, writes nothing.

    Mermaid is drawn by GitHub, GitLab, notebooks and https://mermaid.live.
    """
    from etl.planning.picture import picture  # noqa: PLC0415  # --help need not pay for it

    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} contradict each other")
    drawn = picture(load(pipeline, environment, params), include=select, exclude=exclude)
    if as_json or form == "json":
        print_json(document(drawn))
    else:
        say(mermaid(drawn) if form == "mermaid" else text(drawn), as_is=form == "mermaid")


_SHAPES = {"source": ('[("', '")]'), "flow": ('["', '"]'), "view": ('(["', '"])')}


def document(picture: Picture) -> dict[str, Any]:
    """Nodes and edges as JSON."""
    return {
        "pipeline": picture.pipeline,
        "nodes": [
            {"name": node.name, "type": node.type, "selected": node.selected, **dict(node.details)}
            for node in picture.nodes
        ],
        "edges": [
            {"from": edge.source, "to": edge.target, "read": edge.read, "on_change": edge.on_change}
            for edge in picture.edges
        ],
    }


def mermaid(picture: Picture) -> str:
    """The picture for Mermaid: sources are drums, views are round, snapshots are dotted."""
    # Names are prefixed, since `end` and others are words of Mermaid's own.
    ids = {node.name: f"{node.type}_{node.name}" for node in picture.nodes}
    lines = ["flowchart LR"]
    for node in picture.nodes:
        label = "<br>".join(_escaped(part) for part in (node.name, _short(node)) if part)
        left, right = _SHAPES[node.type]
        lines.append(f"    {ids[node.name]}{left}{label}{right}")
    for edge in picture.edges:
        arrow = "-->" if edge.read == "changes" else "-.->"
        lines.append(f"    {ids[edge.source]} {arrow}|{edge.read}| {ids[edge.target]}")
    faint = [ids[node.name] for node in picture.nodes if not node.selected]
    if faint:
        lines += ["    classDef outside stroke-dasharray: 4", f"    class {','.join(faint)} outside"]
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """Text inside of a quoted label: Mermaid knows entities as `#code;`."""
    return "".join(letter if letter.isalnum() or letter in " _,.-:" else f"#{ord(letter)};" for letter in text)


def _short(node: Node) -> str:
    details = dict(node.details)
    return ", ".join(str(details[key]) for key in ("of", "format", "incremental", "strategy") if key in details)


def text(picture: Picture) -> str:
    """The picture for a terminal: each flow with what it reads."""
    nodes = {node.name: node for node in picture.nodes}
    sources = sum(node.type == "source" for node in picture.nodes)
    flows = sum(node.type == "flow" and node.selected for node in picture.nodes)
    lines = [f"{picture.pipeline}: {counted(sources, 'source')}, {counted(flows, 'flow')}"]
    for node in picture.nodes:
        if node.type == "source" or not node.selected:
            continue
        lines += ["", f"{node.name} ({_short(node) or node.type})"]
        reads = [edge for edge in picture.edges if edge.target == node.name]
        width = max(len(edge.source) for edge in reads)
        for edge in reads:
            kind = (
                f"{nodes[edge.source].type} {_short(nodes[edge.source])}"
                if nodes[edge.source].type == "source"
                else nodes[edge.source].type
            )
            drift = f", {edge.on_change} on change" if edge.on_change else ""
            lines.append(f"  <- {edge.source:{width}}  {edge.read}{drift} ({kind})")
    unread = [
        node.name
        for node in picture.nodes
        if node.type == "source" and all(edge.source != node.name for edge in picture.edges)
    ]
    return "\n".join([*lines, *(["", f"read by no flow: {', '.join(unread)}"] if unread else [])])
