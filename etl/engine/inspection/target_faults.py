"""What befell a target since the flow's last commit, from its own log: gone, recreated, taken back, or written by others. No JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import as_committed, commits, effective_history, last_stamp, log_versions
from etl.engine.metadata.generations import generation_numbers, has_committed, newest_opened
from etl.planning.decision import Fault

if TYPE_CHECKING:
    from etl.engine.metadata.delta_log import Commit
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.storage.layout import FlowPaths
    from etl.planning.decision import Opened
    from etl.planning.plan import Committed


def committed_and_fault(paths: FlowPaths, pipeline: str, flow: str) -> tuple[Committed | None, Fault | None]:
    """The newest epoch that was ever committed to the target, and why the target does not hold it, or more, now."""
    table = paths.target
    newest = _newest(table)
    if newest is None or newest.stamp is None:
        return None, _without_stamps(paths)
    stamp = newest.stamp
    if (stamp.pipeline, stamp.flow) != (pipeline, flow):
        what = f"the target {table} was written by another flow, {stamp.pipeline}.{stamp.flow}"
        return None, Fault(what, "give each flow a target of its own by sink.path; or take it over with --full-refresh")
    return as_committed(newest.version, stamp), _since(paths, newest.version, stamp)


def _newest(table: str) -> Commit | None:
    """The newest commit of ours that is no maintenance: what somebody else did before that must not hide behind it.

    Where the log was cleaned of every other one, the newest maintenance, which repeats its stamp.
    """
    maintained = None
    for commit in commits(table, newest_first=True):
        if commit.stamp is not None and not commit.is_maintenance:
            return commit
        if commit.is_maintenance:
            maintained = maintained or commit
    return maintained


def greatest_number(paths: FlowPaths, committed: Committed | None) -> int:
    """The greatest number that a generation of the flow has had: Delta would pass over, in silence, the epochs of one that had it before."""
    used = [committed.generation, committed.rolled_back_upto] if committed is not None else []
    return max([*generation_numbers(paths), *used], default=-1)


def unfinished_rollback(paths: FlowPaths, committed: Committed | None) -> list[str]:
    """The tables beside the target that a rollback, interrupted, has not taken back yet."""
    if committed is None or committed.rolled_back_upto < 0:
        return []
    return [
        table
        for table in (paths.quarantine, paths.state)
        if (found := last_stamp(table)) is not None
        and committed.generation < found.generation <= committed.rolled_back_upto
        and any(
            commit.stamp is not None and commit.stamp.generation <= committed.generation
            for commit in effective_history(table)
        )
    ]  # a table that only generations after it have made is none of its, and the next that needs it replaces it whole


def _without_stamps(paths: FlowPaths) -> Fault | None:
    opened: Opened | None = newest_opened(paths)
    was_there = opened is not None and has_committed(paths, opened.number)
    versions = log_versions(paths.target)
    if was_there and not versions:
        return Fault(f"the target is gone: there is no Delta table at {paths.target} any more")
    if was_there and versions[0] > 0:
        return Fault(f"the log of {paths.target} begins at version {versions[0]} and tells of no commit of ours")
    if was_there:
        return Fault(f"the target was recreated by somebody else: no commit of {paths.target} is ours")
    if versions and opened is None:
        what = f"there is a Delta table at {paths.target} that no run of this flow has written"
        return Fault(what, "move it away, or name another sink.path; or have it replaced with --full-refresh")
    return None


def _since(paths: FlowPaths, version: int, stamp: Provenance) -> Fault | None:
    """What was done to the target after the version of its newest stamp."""
    foreign: list[Commit] = []
    restore: Commit | None = None
    for commit in effective_history(paths.target):
        if commit.stamp is not None:
            if commit.version == version:
                break
            if commit.is_maintenance:
                continue
            return _taken_back(restore, stamp)
        if commit.operation == "RESTORE":
            restore = restore or commit
        elif commit.data_change:
            foreign.append(commit)
    else:
        return _taken_back(restore, stamp)
    if foreign:
        changes = ", ".join(f"version {item.version} ({item.operation})" for item in reversed(foreign))
        hint = (
            f"take it back with RESTORE TABLE delta.`{paths.target}` TO VERSION AS OF {version}; "
            "or rebuild the target from its inputs with --full-refresh"
        )
        return Fault(f"somebody else has changed rows of the target since its last epoch: {changes}", hint)
    not_taken_back = unfinished_rollback(paths, as_committed(version, stamp))
    if not_taken_back:
        what = (
            f"a rollback to generation {stamp.generation} was interrupted before it reached {', '.join(not_taken_back)}"
        )
        return Fault(what, "run etl checkpoints rollback again, which ends it; or rebuild with --full-refresh")
    return None


def _taken_back(restore: Commit | None, stamp: Provenance) -> Fault | None:
    if restore is None:
        return None  # the log begins after the stamp, and what is there is what it left
    to = f" to version {restore.restored}" if restore.restored is not None else ""
    return Fault(
        f"the target was taken back{to} by a RESTORE (version {restore.version}) that is not ours: "
        f"it may lack rows up to epoch {stamp.epoch} of generation {stamp.generation}"
    )
