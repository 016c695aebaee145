"""The last screen of a run: what each flow did, and where its table is."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.planning.events import FlowResult, RunResult

_HEAD = ("flow", "status", "mode", "epochs", "read", "written", "dropped", "quarantined", "merged", "seconds")
_WIDTH = 110


def summary(result: RunResult) -> str:
    """The table of flows, the failures whole, the places of the tables."""
    lines = ["", *table(result.flows), ""]
    for flow in result.flows:
        lines += _notes(flow)
    lines.append(
        f"{result.pipeline}: {result.status} in {result.duration_s:.1f} s ({result.mode}, run {result.run_id})"
    )
    kept = [flow for flow in result.flows if flow.status in ("succeeded", "unchanged")]
    if kept:
        lines.append("tables:")
        width = max(len(flow.flow) for flow in kept)
        for flow in kept:
            lines.append(f"  {flow.flow:{width}}  {flow.target}")
            if flow.quarantine is not None and flow.counts.quarantined:
                lines.append(f"  {'':{width}}  {flow.quarantine} (quarantine)")
    return "\n".join(lines)


def table(flows: Sequence[FlowResult]) -> list[str]:
    """One line a flow, columns aligned."""
    rows = [_HEAD] + [
        (
            flow.flow, flow.status, flow.mode, str(flow.epochs), f"{flow.counts.read:,}", f"{flow.counts.written:,}",
            f"{flow.counts.dropped:,}", f"{flow.counts.quarantined:,}", f"{flow.counts.merged:,}", f"{flow.duration_s:.1f}",
        )
        for flow in flows
    ]  # fmt: skip
    widths = [max(len(row[index]) for row in rows) for index in range(len(_HEAD))]
    texts = 3
    return [
        "  ".join(
            cell.ljust(width) if index < texts else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _notes(flow: FlowResult) -> list[str]:
    lines = [f"{flow.flow}: warning: {message}" for message in flow.warnings]
    if flow.failure is not None:
        where = f"{flow.failure.where} " if flow.failure.where else ""
        tried = f" (after {flow.attempts} attempts)" if flow.attempts > 1 else ""
        if flow.failure.kind == "configuration":
            lines += [flow.failure.message]
        else:
            lines += textwrap.wrap(f"{where}{flow.failure.message}{tried}", _WIDTH, break_long_words=False)
        lines += [f"  {flow.failure.hint}"] if flow.failure.hint else []
        lines.append("")
    elif flow.status == "skipped":
        lines += [f"{flow.flow} was skipped: {flow.reason}", ""]
    return lines
