"""The tables beside a target, its quarantine and its state: which must be there, and what a part that died has left in them. No JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import effective_history, last_stamp, log_versions
from etl.engine.storage.locks import is_held_in_turns
from etl.planning.decision import Fault
from etl.planning.fingerprint import fingerprint
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etl.config.spec import FlowSpec, PipelineSpec, SourceSpec
    from etl.engine.job import Input
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.storage.layout import FlowPaths
    from etl.planning.kinds import Kind
    from etl.planning.plan import Committed


def sets_aside(flow: FlowSpec, sources: Iterable[SourceSpec]) -> bool:
    """Whether a flow that reads the sources has a quarantine table at all; epoch 0 of each generation makes it."""
    return any(item.on_malformed == "quarantine" for item in sources) or any(
        item.on_violation == "quarantine" for item in flow.expectations
    )


def has_state_table(flow: FlowSpec, inputs: Sequence[Input], kind: Kind) -> bool:
    """Whether a flow's sink keeps in `state/` what its target does not tell; epoch 0 of each generation makes that table."""
    streamed_input = next((item for item in inputs if item.spec.read == "changes"), None)
    if not KIND_TRAITS[kind].is_row_by_row or streamed_input is None or streamed_input.source.reads_change_feed:
        return False
    sink = flow.sink
    return sink.strategy == "scd2" or (sink.strategy == "merge" and bool(sink.delete_when or sink.except_columns))


def missing(
    spec: PipelineSpec, flow: FlowSpec, inputs: Sequence[Input], paths: FlowPaths, committed: Committed
) -> Fault | None:
    """A table beside the target that was there when the target's generation began, and is gone, or is not ours any more."""
    expected = [("quarantine", paths.quarantine)] if sets_aside(flow, (item.source for item in inputs)) else []
    expected += [("state", paths.state)] if has_state_table(flow, inputs, committed.kind) else []
    for name, table in expected:
        versions = log_versions(table)
        if versions and (versions[0] > 0 or last_stamp(table) is not None):
            continue
        if fingerprint(spec, flow).digest != committed.fingerprint:
            return None  # another definition wrote the target, and may have had no such table
        if versions:
            return Fault(f"the flow's {name} was recreated by somebody else: no commit of {table} is ours")
        return Fault(f"the flow's {name} is gone: there is no Delta table at {table} any more")
    return None


def unfinished(paths: FlowPaths, committed: Committed, *, locked: bool = False) -> Provenance | None:
    """The part of the target's newest epoch that was recomputed, has reached a table beside the target, and died before the target.

    None while the run that computes it is still at it. `locked`: the caller holds the flow's lock, so nobody is.
    """
    for table in (paths.quarantine, paths.state):
        stamp = last_stamp(table)
        if stamp is None or stamp.backfill is None:
            continue
        if (stamp.generation, stamp.epoch) != (committed.generation, committed.epoch):
            continue
        if _reached(paths.target, stamp) or (not locked and is_held_in_turns(paths.lock)):
            continue
        if locked or not _reached(paths.target, stamp):  # whoever let go of the lock meanwhile has reached it by now
            return stamp
    return None


def interrupted(stamp: Provenance) -> Fault:
    """What is said of a part that `unfinished` has found."""
    entry = stamp.backfill or {}
    if "replay" in entry:
        what = f"a replay of its quarantine ({entry['id']}) was interrupted before it reached the target"
        return Fault(what, "run etl quarantine replay again, which ends it; or rebuild the target with --full-refresh")
    bounds = f"{entry.get('from')} ≤ {entry.get('column')} < {entry.get('to')}"
    what = f"window {entry['number']} of a backfill ({bounds}) was interrupted before it reached the target"
    return Fault(what, "run the same etl backfill again, which ends it; or rebuild the target with --full-refresh")


def _reached(target: str, stamp: Provenance) -> bool:
    entry = stamp.backfill or {}
    for commit in effective_history(target):
        if commit.stamp is None:
            continue
        committed_entry = commit.stamp.backfill
        if committed_entry is None or (commit.stamp.generation, commit.stamp.epoch) != (stamp.generation, stamp.epoch):
            return False
        if (committed_entry["id"], committed_entry["number"]) == (entry["id"], entry["number"]):
            return True
    return False
