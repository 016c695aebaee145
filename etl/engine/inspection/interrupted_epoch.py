"""An epoch that died after it wrote quarantine or state: whether what it read can still be read as it was. No JVM.

What it wrote is not written again, so the next attempt must read just the same. A file that was changed or added since, or a version that
was vacuumed, makes that impossible; the target would then not fit the tables beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import last_stamp
from etl.engine.sources.source import open_source
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.engine.job import Input
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.storage.layout import FlowPaths
    from etl.planning.decision import Opened
    from etl.planning.plan import Committed
    from etl.planning.position import Pin


def unrepeatable(paths: FlowPaths, inputs: Sequence[Input], committed: Committed | None, opened: Opened | None) -> str:
    """Why the newest epoch of a generation cannot be computed again as it was; empty where it can, or was not interrupted."""
    if opened is None or KIND_TRAITS[opened.kind].keeps_state:  # state has recorded what it reads its snapshots at
        return ""
    if committed is not None and committed.generation > opened.number:
        return ""
    done = committed.epoch if committed is not None and committed.generation == opened.number else -1
    if KIND_TRAITS[opened.kind].streams and opened.planned_epoch == done:
        return ""  # no epoch is under way
    for table in (paths.quarantine, paths.state):
        stamp = last_stamp(table)
        if stamp is None or stamp.backfill is not None or stamp.generation != opened.number or stamp.epoch <= done:
            continue
        # What Spark has planned an epoch to stream stays so; anything else was read whole.
        streamed = (
            KIND_TRAITS[opened.kind].streams
            and opened.planned_epoch is not None
            and opened.planned_epoch >= stamp.epoch
        )
        for flow_input in inputs:
            position = stamp.to.get(flow_input.name)
            if position is None or (streamed and flow_input.spec.read == "changes"):
                continue
            reason = moved_since(flow_input, stamp, open_source(flow_input.source).pinned(position))
            if reason:
                return reason
    return ""


def moved_since(flow_input: Input, stamp: Provenance, pin: Pin) -> str:
    """Why an input, pinned at the position that a stamp says was read, cannot be read as it was; empty where it can."""
    if dict(pin.position) == dict(stamp.to[flow_input.name]):
        return ""
    return f"epoch {stamp.epoch} was interrupted, and {flow_input.name} can no longer be read as that epoch read it"
