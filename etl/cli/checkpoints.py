"""`etl checkpoints`: the lives of every target, and how far each came."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.checkpoints_mend import repair, rollback
from etl.cli.complete import flows as complete_flows
from etl.cli.output import load, must_be_flows, pipeline_options, print_json, say

if TYPE_CHECKING:
    from etl.operations.maintenance.checkpoints import FlowCheckpoints, GenerationState


@click.group()
def checkpoints() -> None:
    """Look at checkpoints and generations, mend them, go back to an earlier one."""


checkpoints.add_command(rollback)
checkpoints.add_command(repair)


@checkpoints.command()
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
def show(pipeline: str, environment: str, params: tuple[str, ...], flows: tuple[str, ...], *, as_json: bool) -> None:
    """Show each flow's generations: who opened them, how far each came, and which is the current one. Starts no JVM."""
    from etl.operations.maintenance.checkpoints import checkpoints as look  # noqa: PLC0415  # --help need not pay for it

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    found = look(spec, flows=flows)
    if as_json:
        print_json({"pipeline": spec.name, "storage": spec.storage, "flows": [asdict(item) for item in found]})
    else:
        say("\n".join(line for item in found for line in _flow(item)))


def _flow(item: FlowCheckpoints) -> list[str]:
    if not item.generations:
        return [f"{item.flow}: never ran"]
    return [f"{item.flow}:", *(line for generation in item.generations for line in _generation(generation))]


def _generation(item: GenerationState) -> list[str]:
    fingerprint = f", fingerprint {item.fingerprint[:12]}" if item.fingerprint else ""
    by = f"opened {item.opened_at} by run {item.opened_by}" if item.opened_by else "its folder is gone"
    told = {"offered": item.offered, "finished": item.finished, "committed": item.committed}
    epochs = ", ".join(f"{name} {epoch}" for name, epoch in told.items() if epoch is not None) or "none"
    lines = [
        f"  g{item.number} {item.standing}: {item.kind or 'unknown kind'}{fingerprint}, {_size(item.bytes)}",
        f"      {by}",
        f"      epochs  {epochs}",
    ]
    for name, position in (item.position or {}).items():
        lines.append(f"      {name}  {json.dumps(position)}")
    if item.standing == "interrupted":
        lines.append("      nothing of it is in the table; the next run finishes it or opens a new one")
    return lines


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004  # the next unit
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
