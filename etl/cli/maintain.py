"""`etl maintain`: tables kept small."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.output import complain, load, must_be_flows, pipeline_options, print_json, say, seconds_of
from etl.cli.signals import leaves
from etl.errors import LockHeld

if TYPE_CHECKING:
    from etl.planning.maintenance import Done, FlowMaintenance


@click.command()
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and how much of it; write nothing.")
@click.option("--wait", metavar="DURATION", help="Wait so long for a flow on which another run works: '10 minutes'.")
@click.pass_context
def maintain(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    flows: tuple[str, ...],
    wait: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Keep a pipeline's tables small: rewrite many small files together, cluster what `cluster_by` says, remove what nothing needs any more.

    What a table no longer holds stays for as long as the flow's `maintenance: {keep: …}` says (default 7 days), and for longer where a flow
    that reads the table has still to read it. No row changes. A JVM is started only where files are to be rewritten. Exit code 5 where
    another run works on a flow, which is then left out; 1 where one failed.
    """
    if not dry_run:
        leaves("what was done stays; the same command does the rest")
    from etl.operations.maintenance.maintain import maintain as carry_out  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    result = carry_out(
        spec,
        flows=flows,
        dry_run=dry_run,
        wait_s=seconds_of(wait, "--wait") if wait else 0.0,
        tell=lambda flow: None if as_json else _show(flow, dry_run=dry_run),
    )
    if as_json:
        print_json(asdict(result))
    statuses = {flow.status for flow in result.flows}
    ctx.exit(1 if "failed" in statuses else LockHeld.exit_code if "held" in statuses else 0)


def _show(flow: FlowMaintenance, *, dry_run: bool) -> None:
    would = "would " if dry_run else ""
    if flow.status in ("failed", "held", "skipped"):
        complain(f"{flow.flow}: {'failed' if flow.status == 'failed' else 'left as it is'}: {flow.reason}", "yellow")
        return
    head = f"{flow.flow}: nothing to do" if not flow.done else f"{flow.flow}: {_files(flow)}"
    lines = [head, *(f"  {would}{_line(done, past=not dry_run)}" for done in flow.done)]
    say("\n".join([*lines, *([f"  {flow.reason}"] if flow.reason else [])]))


def _files(flow: FlowMaintenance) -> str:
    if flow.files_after == flow.files_before:
        return _count(flow.files_after)
    return f"{flow.files_before:,} files → {flow.files_after:,}"


def _line(done: Done, *, past: bool) -> str:
    words: dict[str, tuple[str, str]] = {
        "compact": ("rewrite", "rewrote"),
        "cluster": ("cluster", "clustered"),
        "vacuum": ("remove", "removed"),
        "cleanup": ("remove", "removed"),
    }
    verb = words[done.deed][past]
    what = f"{_count(done.files)} of {done.bytes:,} bytes"
    if done.deed in ("compact", "cluster"):
        return f"{verb} {what} of its {done.place} into {done.into}"
    if done.into is not None:
        return f"put {_count(done.files)} of {done.detail} into one"
    if done.deed == "vacuum":
        return f"{verb} {what} of its {done.place} that nothing needs"
    return f"{verb} {done.detail}, which was superseded: {what}"


def _count(files: int) -> str:
    return f"{files:,} file{'' if files == 1 else 's'}"
