"""The last screen of a run: what each flow did, and where its table is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl.cli.layout import cells, fitted, near
from etl.markup import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.planning.results import FlowResult, RunResult, RunsResult
    from etl.record.runs import RunRecord

_HEAD = ("flow", "status", "mode", "epochs", "read", "written", "dropped", "quarantined", "merged", "seconds")
_RARE = ("merged", "dropped", "quarantined", "mode")  # left out where they are all alike and the terminal is narrow
_STATUSES = ("succeeded", "unchanged", "skipped", "failed")
_WIDTH = 110
_SHORTEST = 12  # of a flow's name
_COLOURS = {"succeeded": "green", "failed": "red", "skipped": "yellow"}


def summary(result: RunResult | RunRecord, width: int | None = None, *, coloured: bool = False) -> str:
    """The table of flows, the failures whole, the places of the tables, from the project's folder on.

    The table, and whatever is made of words, is no wider than `width` where that can be. `coloured`: each status in the colour
    that a terminal has for it.
    """
    lines = ["", *table(result.flows, width, coloured=coloured), ""]
    # Flows that failed alike say it once.
    notes = dict.fromkeys("\n".join(_notes(flow, min(width or _WIDTH, _WIDTH))) for flow in result.flows)
    lines += filter(None, notes)
    status = _styled(result.status, result.status) if coloured else result.status
    lines.append(f"{result.pipeline}: {status} in {result.duration_s:.1f} s ({result.mode}, run {result.run_id})")
    kept = [flow for flow in result.flows if flow.status in ("succeeded", "unchanged")]
    if kept:
        lines += ["tables:", *_places(kept, width)]
    return "\n".join(lines)


def summary_of_all(result: RunsResult) -> str:
    """A line for each pipeline of several that were run, and one that counts them."""
    widest_name = max(len(run.pipeline) for run in result.runs)
    widest_status = max(len(run.status) for run in result.runs)
    lines = [""]
    for run in result.runs:
        reason = next((flow.reason for flow in run.flows), "") if run.status == "skipped" else ""
        columns = (run.pipeline.ljust(widest_name), run.status.ljust(widest_status), f"{run.duration_s:8.1f} s", reason)
        lines.append("  ".join(columns).rstrip())
    statuses = [run.status for run in result.runs]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in _STATUSES if status in statuses)
    lines += ["", f"{counted(len(statuses), 'pipeline')}: {counts} in {result.duration_s:.1f} s"]
    return "\n".join(lines)


def _places(flows: Sequence[FlowResult], width: int | None) -> list[str]:
    """Where the tables of flows are, beside their names or, where that is too wide, below them."""
    places = [(flow.flow, near(flow.target)) for flow in flows]
    quarantines = {
        flow.flow: f"{near(flow.quarantine)} (quarantine)"
        for flow in flows
        if flow.quarantine is not None and flow.counts.quarantined
    }
    longest = max(cells(name) for name, _ in places)
    widest = max(cells(place) for place in (*(place for _, place in places), *quarantines.values()))
    is_beside = width is None or 2 + longest + 2 + widest <= width
    lines = []
    for name, place in places:
        lines += [f"  {name:{longest}}  {place}"] if is_beside else [f"  {name}", f"    {place}"]
        lines += [f"  {'':{longest if is_beside else 0}}  {quarantines[name]}"] if name in quarantines else []
    return lines


def table(flows: Sequence[FlowResult], width: int | None = None, *, coloured: bool = False) -> list[str]:
    """One line a flow, columns aligned: in a narrow terminal less of them, where what they say is the same of each flow."""
    rows = [_HEAD] + [
        (
            flow.flow, flow.status, flow.mode, str(flow.epochs), f"{flow.counts.read:,}", f"{flow.counts.written:,}",
            f"{flow.counts.dropped:,}", f"{flow.counts.quarantined:,}", f"{flow.counts.merged:,}", f"{flow.duration_s:.1f}",
        )
        for flow in flows
    ]  # fmt: skip
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name in _RARE:
        if width is None or _wide(columns) <= width:
            break
        same = next(column for column in columns if column[0] == name)
        if len(set(same[1:])) == 1 and (name == "mode" or same[1] == "0"):
            columns.remove(same)
    if width is not None and (over := _wide(columns) - width) > 0:
        longest = max(_SHORTEST, max(map(len, columns[0])) - over)
        columns[0] = [cell if len(cell) <= longest else f"{cell[: longest - 1]}…" for cell in columns[0]]
    texts = {"flow", "status", "mode"}
    for column in columns:
        widest = max(map(len, column))
        column[:] = [cell.ljust(widest) if column[0].rstrip() in texts else cell.rjust(widest) for cell in column]
    if coloured:
        columns[1] = [columns[1][0], *(_styled(cell, cell.strip()) for cell in columns[1][1:])]
    return ["  ".join(row).rstrip() for row in zip(*columns, strict=True)]


def _styled(text: str, status: str) -> str:
    """A status, or a cell with it, in the terminal's own colour for it, which suits a light and a dark one."""
    return click.style(text, fg=_COLOURS.get(status), dim=status not in _COLOURS or None)


def _wide(columns: Sequence[Sequence[str]]) -> int:
    return sum(max(map(len, column)) for column in columns) + 2 * (len(columns) - 1)


def _notes(flow: FlowResult, width: int) -> list[str]:
    lines = [f"{flow.flow}: warning: {near(message)}" for message in flow.warnings]
    if flow.failure is not None:
        where = f"{flow.failure.where} " if flow.failure.where else ""
        tried = f" (after {flow.attempts} attempts)" if flow.attempts > 1 else ""
        if flow.failure.kind == "configuration":
            lines += [flow.failure.message]
        else:
            lines += fitted(near(f"{where}{flow.failure.message}{tried}"), width).split("\n")
        lines += fitted(near(f"  {flow.failure.hint}"), width).split("\n") if flow.failure.hint else []
        lines.append("")
    elif flow.status == "skipped":
        lines += [f"{flow.flow} was skipped: {flow.reason}", ""]
    return lines
