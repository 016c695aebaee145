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
from etl.engine.storage.places import place
from etl.errors import FlowFailed
from etl.planning.fingerprint import fingerprint
from etl.planning.run_id import new_run_id

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.metadata.provenance import Provenance
    from etl.planning.plan import Committed


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What was taken back, and how the flow goes on.

    Attributes:
        was: The generation that is superseded for ever.
        generation: The one that the tables hold now.
        tables: Those that were taken back.
        same_definition: Whether that generation is of the flow's definition; else the next run opens a new one.
    """

    flow: str
    run_id: str
    was: int
    generation: int
    epoch: int
    tables: tuple[str, ...]
    same_definition: bool


@dataclass(frozen=True, slots=True)
class _Return:
    """A version of a table to go back to, the last of a generation, and its stamp."""

    table: str
    version: int
    stamp: Provenance


def rollback(spec: PipelineSpec, flow: FlowSpec, *, to: int | None = None) -> RollbackResult:
    """Take a flow's tables back to the end of an earlier generation, the target first; one that was interrupted is ended instead.

    `to`: the generation's number; None: the one before the current.
    Raises FlowFailed where there is nothing to go back to, or its files are gone: then nothing was written.
    """
    paths = FlowPaths.of(spec, flow)
    run_id = new_run_id()
    with flow_lock(paths, flow=flow.name, run_id=run_id) as lock:
        committed, pending = _require_rollback(spec, flow, paths)
        generation = committed.generation if pending else _generation(paths, flow, committed, to)
        rolled_back_upto = committed.rolled_back_upto if pending else greatest_number(paths, committed)
        returns = [
            end
            for table in (paths.target, paths.quarantine, paths.state)
            if (not pending or table in pending) and (end := _end_of(table, generation)) is not None
        ]
        sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl rollback {spec.name}", short=True)
        try:
            from etl.engine.commits.restore import missing_files, restore  # noqa: PLC0415  # pyspark only when there is work

            handle = sessions.get()
            lock.tell_jvm(handle.jvm_pid())
            session = handle.flow_session(flow.timezone, under=(paths.lock, run_id))
            for end in returns:
                _must_be_there(flow, end, missing_files(session, end.table, end.version))
            for end in returns:
                restore(
                    session,
                    end.table,
                    end.version,
                    replace(end.stamp, run=run_id, rolled_back_upto=rolled_back_upto, maintenance=None),
                )
        finally:
            sessions.close()
        now = last_stamp(paths.target)
        if now is None or (now.generation, now.rolled_back_upto) != (generation, rolled_back_upto):
            raise FlowFailed(f"the target {paths.target} was not taken back", hint="look at its log with etl audit")
    return RollbackResult(
        flow=flow.name,
        run_id=run_id,
        was=rolled_back_upto if pending else committed.generation,
        generation=generation,
        epoch=now.epoch,
        tables=tuple(end.table for end in returns),
        same_definition=fingerprint(spec, flow).digest == now.fingerprint,
    )


def _require_rollback(spec: PipelineSpec, flow: FlowSpec, paths: FlowPaths) -> tuple[Committed, tuple[str, ...]]:
    """The target's newest epoch, and the tables that a rollback which died has not taken back yet.

    Raises FlowFailed where there is nothing to take back.
    """
    committed, fault = committed_and_fault(paths, spec.name, flow.stored_as)
    if committed is None:
        why = fault.what if fault else "nothing was committed yet"
        raise FlowFailed(f"flow '{flow.name}' has nothing to take back: {why}", hint="run it first")
    pending = unfinished_rollback(paths, committed)
    if fault is not None and not pending:
        hint = fault.hint or "run the flow first: its next run rebuilds the target"
        raise FlowFailed(f"flow '{flow.name}' cannot be taken back: {fault.what}", hint=hint)
    return committed, tuple(pending)


def _generation(paths: FlowPaths, flow: FlowSpec, committed: Committed, to: int | None) -> int:
    """The generation to go back to: one that led to what the target holds, the newest of them where none is named."""
    earlier = [
        commit.stamp.generation
        for commit in effective_history(paths.target)
        if commit.stamp is not None and commit.stamp.generation < committed.generation
    ]
    numbers = [
        number for number in dict.fromkeys(earlier) if place(paths.generation(number), "generation.json").exists()
    ]
    if to is None and numbers:
        return numbers[0]
    if to is not None and to in numbers:
        return to
    listed = ", ".join(f"g{number}" for number in reversed(numbers)) or "none"
    what = f"flow '{flow.name}' is at generation {committed.generation}, and cannot be taken back to "
    what += f"generation {to}" if to is not None else "an earlier one"
    gone = to in earlier or (to is None and bool(earlier))
    why = (
        f": {'that generation was' if to is not None else 'those before it were'} removed by maintenance"
        if gone
        else ""
    )
    raise FlowFailed(
        f"{what}{why}: its log tells of {listed}",
        hint="etl checkpoints show lists the generations; --full-refresh rebuilds the flow",
    )


def _end_of(table: str, generation: int) -> _Return | None:
    """The last commit of a generation in a table; None where the table has none of it, or stands there already."""
    newest = last_stamp(table)
    if newest is None or newest.generation == generation:
        return None
    for commit in effective_history(table):
        if commit.stamp is not None and commit.stamp.generation == generation:
            return _Return(table, commit.version, commit.stamp)
    versions = log_versions(table)
    if versions[0] > 0:
        what = f"the log of {table} begins at version {versions[0]} and tells no more of generation {generation}"
        raise FlowFailed(what, hint="rebuild the flow with --full-refresh")
    return None


def _must_be_there(flow: FlowSpec, end: _Return, missing: list[str]) -> None:
    if missing:
        name = Path(missing[0]).name
        what = (
            f"flow '{flow.name}' cannot be taken back to generation {end.stamp.generation}: {len(missing)} files of version "
            f"{end.version} of {end.table} were vacuumed, such as {name}"
        )
        raise FlowFailed(f"{what}; nothing was written", hint="rebuild the flow with --full-refresh")
