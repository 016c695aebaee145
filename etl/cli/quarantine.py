"""`etl quarantine`: the quarantined rows, shown and tried again."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl.cli.complete import flows as complete_flows
from etl.cli.later import Group
from etl.cli.layout import near
from etl.cli.output import load, must_be_flows, pipeline_options, print_json, say, show_result
from etl.cli.signals import leaves
from etl.engine.metadata.offset_log import decode
from etl.markup import counted

if TYPE_CHECKING:
    from etl.operations.quarantine import FlowQuarantine


@click.group(cls=Group, later=frozenset({"show"}))
def quarantine() -> None:
    """Look at quarantined rows, or try them again."""


@quarantine.command("list", short_help="Show the quarantined rows of each flow, and why.")
@pipeline_options
@click.option("--flow", "flows", multiple=True, help="Only these flows.", shell_complete=complete_flows)
@click.option("--reason", help="Only rows with this reason: `malformed`, or an expectation's name.")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, help="At most so many rows of a flow."
)
def listed(
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    flows: tuple[str, ...],
    reason: str | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """Show how many rows each flow has quarantined, why, and the oldest of them. Writes nothing.

    Starts Spark to read the rows, but only where there are any. Values of sensitive columns are shown as ***.
    """
    from etl.operations.quarantine import quarantine as look  # noqa: PLC0415  # the command has its name

    spec = load(pipeline, environment, params)
    must_be_flows(spec, flows)
    quarantines = look(spec, flows=flows, reason=reason, limit=limit)
    if as_json:
        print_json({"pipeline": spec.name, "flows": [{**asdict(flow), "total": flow.total} for flow in quarantines]})
        return
    lines = [line for flow in quarantines if flow.total for line in _flow(flow)]
    say("\n".join(lines) if lines else "nothing was quarantined" + (f" for the reason '{reason}'" if reason else ""))


@quarantine.command("replay", short_help="Judge the quarantined rows of a flow again.")
@pipeline_options
@click.option("--select", "flow", required=True, metavar="FLOW", help="The flow.", shell_complete=complete_flows)
def replayed(pipeline: str, environment: str, params: tuple[str, ...], flow: str, *, as_json: bool) -> None:
    """Judge again the rows that a flow has quarantined, with the snapshots as they are now; those that pass are written.

    For a snapshot that lacked something when the rows came. A definition that has changed needs no replay: the flow's next run reads every
    row again. Rows that did not parse stay. The target is written in one commit; a replay that died is ended by the next one.
    """
    leaves("the same command ends what was begun")
    from etl.operations.recompute.replay import replay  # noqa: PLC0415  # --help need not pay for it

    spec = load(pipeline, environment, params)
    result = replay(spec, flow, tell=lambda line: click.echo(line, err=True))
    show_result(result, as_json=as_json)


def _flow(flow: FlowQuarantine) -> list[str]:
    lines = [f"{flow.flow}: {counted(flow.total, 'row')} in {near(flow.table)}"]
    lines += [f"  {count:>8,}  {reason}" for reason, count in flow.counts.items()]
    for row in flow.rows:
        place = f"g{row['_etl_generation']} epoch {row['_etl_epoch']}"
        shown = {name: value for name, value in row.items() if not name.startswith("_etl_")}
        content = (
            json.dumps(row["_etl_record"], ensure_ascii=False)
            if row["_etl_record"] is not None
            else json.dumps(shown, ensure_ascii=False)
        )
        file = near(decode(row.get("_etl_file") or ""))
        origin = f" from {row['_etl_input']} {file}".rstrip() if row["_etl_input"] else ""
        lines.append(f"  {place}  {row['_etl_reason']}{origin}: {content}")
    if flow.total > len(flow.rows) > 0:
        lines.append(f"  … and {flow.total - len(flow.rows):,} more (--limit)")
    return lines
