"""`etl checkpoints rollback`: a target, its state and its quarantine taken back to the end of an earlier generation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.inspection.target_faults import committed_and_fault, greatest_number, unfinished_rollback
from etl.engine.metadata.delta_log import effective_history, last_stamp, log_versions
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.errors import FlowFailed
from etl.planning.fingerprint import fingerprint
from etl.planning.run_id import new_run_id

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.metadata.provenance import Provenance
    from etl.planning.plan import Committed


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What was taken back, and how the flow goes on."""

    flow: str
    run_id: str
    was: int  # the generation that is superseded for ever
    generation: int
    epoch: int
    tables: tuple[str, ...]
    same_definition: bool  # else the next run opens a new generation, of the definition as it is now


@dataclass(frozen=True, slots=True)
class _Return:
    table: str
    version: int
    stamp: Provenance


def rollback(spec: PipelineSpec, flow: FlowSpec, *, to: int | None = None) -> RollbackResult:
    """Take a flow's tables back, the target first; one that was interrupted is ended instead.

    FlowFailed where there is nothing to go back to, or its files are gone: then nothing was written.
    """
    paths = FlowPaths.of(spec, flow)
    run_id = new_run_id()
    with flow_lock(paths, flow=flow.name, run_id=run_id) as lock:
        committed, fault = committed_and_fault(paths, spec.name, flow.name)
        if committed is None:
            what = (
                f"flow '{flow.name}' has nothing to take back: {fault.what if fault else 'nothing was committed yet'}"
            )
            raise FlowFailed(what, hint="run it first")
        pending = unfinished_rollback(paths, committed)
        if fault is not None and not pending:
            hint = fault.hint or "run the flow first: its next run rebuilds the target"
            raise FlowFailed(f"flow '{flow.name}' cannot be taken back: {fault.what}", hint=hint)
        wanted = committed.generation if pending else _wanted(paths, flow, committed, to)
        retired = committed.retired if pending else greatest_number(paths, committed)
        plan = [
            found
            for place in (paths.target, paths.quarantine, paths.state)
            if (not pending or place in pending) and (found := _end_of(place, wanted)) is not None
        ]
        sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl rollback {spec.name}", short=True)
        try:
            from etl.engine.commits.restore import missing_files, restore  # noqa: PLC0415  # pyspark only when there is work

            handle = sessions.get()
            lock.tell_jvm(handle.jvm_pid())
            session = handle.flow_session(flow.timezone, under=(paths.lock, run_id))
            for item in plan:
                _must_be_there(flow, item, missing_files(session, item.table, item.version))
            for item in plan:
                restore(session, item.table, item.version, replace(item.stamp, run=run_id, retired=retired))
        finally:
            sessions.close()
        now = last_stamp(paths.target)
        if now is None or (now[1].generation, now[1].retired) != (wanted, retired):
            raise FlowFailed(f"the target {paths.target} was not taken back", hint="look at its log with etl audit")
    return RollbackResult(
        flow=flow.name,
        run_id=run_id,
        was=retired if pending else committed.generation,
        generation=wanted,
        epoch=now[1].epoch,
        tables=tuple(item.table for item in plan),
        same_definition=fingerprint(spec, flow).digest == now[1].fingerprint,
    )


def _wanted(paths: FlowPaths, flow: FlowSpec, committed: Committed, to: int | None) -> int:
    """The generation to go back to: one that led to what the target holds, the newest of them where none is named."""
    earlier = [
        commit.stamp.generation
        for commit in effective_history(paths.target)
        if commit.stamp is not None and commit.stamp.generation < committed.generation
    ]
    known = list(dict.fromkeys(earlier))
    if to is None and known:
        return known[0]
    if to is not None and to in known:
        return to
    told = (
        f"its log tells of {', '.join(f'g{number}' for number in reversed(known))}"
        if known
        else "its log tells of none"
    )
    what = f"flow '{flow.name}' is at generation {committed.generation}, and cannot be taken back to "
    what += f"generation {to}" if to is not None else "an earlier one"
    raise FlowFailed(
        f"{what}: {told}", hint="etl checkpoints show lists the generations; --full-refresh rebuilds the flow"
    )


def _end_of(table: str, generation: int) -> _Return | None:
    """The last commit of a generation in a table; None where the table has none of it, or stands there already."""
    newest = last_stamp(table)
    if newest is None or newest[1].generation == generation:
        return None
    for commit in effective_history(table):
        if commit.stamp is not None and commit.stamp.generation == generation:
            return _Return(table, commit.version, commit.stamp)
    versions = log_versions(table)
    if versions[0] > 0:
        what = f"the log of {table} begins at version {versions[0]} and tells no more of generation {generation}"
        raise FlowFailed(what, hint="rebuild the flow with --full-refresh")
    return None


def _must_be_there(flow: FlowSpec, item: _Return, missing: list[str]) -> None:
    if missing:
        name = Path(missing[0]).name
        what = (
            f"flow '{flow.name}' cannot be taken back to generation {item.stamp.generation}: {len(missing)} files of version "
            f"{item.version} of {item.table} were vacuumed, such as {name}"
        )
        raise FlowFailed(f"{what}; nothing was written", hint="rebuild the flow with --full-refresh")
