"""`etl checkpoints`: the lives of every target, and how far each came."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.checkpoints_mend import repair, rollback
from etl.cli.complete import flows as complete_flows
from etl.cli.later import Suggesting
from etl.cli.layout import near
from etl.cli.output import load, must_be_flows, pipeline_options, print_json, say

if TYPE_CHECKING:
    from etl.operations.maintenance.checkpoints import FlowCheckpoints, GenerationState


@click.group(cls=Suggesting)
def checkpoints() -> None:
    """Look at checkpoints and generations, mend them, go back to an earlier one."""


checkpoints.add_command(rollback)
checkpoints.add_command(repair)


@checkpoints.command(short_help="Show the generations of each flow.")
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
def show(pipeline: str, environment: str, params: tuple[str, ...], flows: tuple[str, ...], *, as_json: bool) -> None:
    """Show each flow's generations: who opened them, how far each came, and which is the current one. Starts no JVM."""
    from etl.operations.maintenance.checkpoints import checkpoints as look  # noqa: PLC0415  # --help need not pay for it

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    shown = look(spec, flows=flows)
    if as_json:
        print_json({"pipeline": spec.name, "storage": spec.storage, "flows": [asdict(flow) for flow in shown]})
    else:
        say(near("\n".join(line for flow in shown for line in _flow(flow))))


def _flow(flow: FlowCheckpoints) -> list[str]:
    if not flow.generations:
        return [f"{flow.flow}: never ran"]
    return [f"{flow.flow}:", *(line for generation in flow.generations for line in _generation(generation))]


def _generation(generation: GenerationState) -> list[str]:
    fingerprint = f", fingerprint {generation.fingerprint[:12]}" if generation.fingerprint else ""
    by = (
        f"opened {generation.opened_at} by run {generation.opened_by}" if generation.opened_by else "its folder is gone"
    )
    newest_epochs = {"offered": generation.offered, "finished": generation.finished, "committed": generation.committed}
    epochs = ", ".join(f"{name} {epoch}" for name, epoch in newest_epochs.items() if epoch is not None) or "none"
    lines = [
        f"  g{generation.number} {generation.standing}: {generation.kind or 'unknown kind'}{fingerprint}, {_size(generation.bytes)}",
        f"      {by}",
        f"      epochs  {epochs}",
    ]
    for name, position in (generation.position or {}).items():
        lines.append(f"      {name}  {json.dumps(position)}")
    if generation.standing == "interrupted":
        lines.append("      nothing of it is in the table; the next run finishes it or opens a new one")
    return lines


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":  # noqa: PLR2004  # the next unit
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
