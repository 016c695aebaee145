"""What a decision needs to know of a flow, read from its tables' logs and its checkpoint. No JVM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from etl.config.checks.file_columns import telling
from etl.config.checks.sinks import replaces_rows
from etl.config.spec import SourceSpec
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.inspection.interrupted_epoch import unrepeatable
from etl.engine.inspection.losses import with_lost_row_counts
from etl.engine.inspection.side_tables import interrupted, missing, unfinished
from etl.engine.inspection.target_faults import committed_and_fault, greatest_number
from etl.engine.job import Input, by_name
from etl.engine.metadata.delta_log import last_committed, last_stamp
from etl.engine.metadata.generations import as_opened, generation_numbers, newest_opened, opened_generation
from etl.engine.metadata.offset_log import OffsetLog
from etl.engine.sources.files import FileSource
from etl.engine.sources.source import open_source
from etl.engine.storage.layout import FlowPaths
from etl.errors import FlowFailed
from etl.planning.decision import FlowState
from etl.planning.fingerprint import fingerprint
from etl.planning.kinds import KIND_TRAITS
from etl.planning.position import Drift

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.config.spec import FlowSpec, Mode, PipelineSpec
    from etl.engine.metadata.generations import Generation
    from etl.engine.sources.source import Source
    from etl.planning.decision import Opened
    from etl.planning.plan import Committed


def inputs_of(spec: PipelineSpec, flow: FlowSpec) -> tuple[Input, ...]:
    """The flow's inputs by the names that storage knows, with the targets of other flows as the Delta tables that they are."""
    inputs = []
    flow = spec.as_stored(flow)
    for input_spec in flow.inputs:
        source = spec.source(input_spec.dataset)
        upstream = spec.stored_flow(input_spec.dataset)
        if source is None and upstream is not None:
            source = SourceSpec(input_spec.dataset, "delta", FlowPaths.of(spec, upstream).target, at=input_spec.at)
        if source is None:  # a checked spec has none such
            raise KeyError(input_spec.dataset)
        behind = upstream or source.flow
        reads_change_feed = input_spec.read == "changes" and behind is not None and _replaces_rows(behind, source.path)
        inputs.append(
            Input(input_spec, replace(source, reads_change_feed=True) if reads_change_feed else telling(source, flow))
        )
    return tuple(inputs)


def _replaces_rows(flow: FlowSpec, target: str) -> bool:
    """Whether the rows of the flow's target change or go; under `auto` its newest commit knows."""
    committed = last_committed(target) if flow.incremental == "auto" else None
    return replaces_rows(flow) or (committed is not None and not KIND_TRAITS[committed.kind].is_row_by_row)


def read_state(spec: PipelineSpec, flow: FlowSpec, *, mode: Mode) -> FlowState:
    """The flow's target, its newest generation, and how its inputs have moved since the target's last epoch.

    What only decides a batch is not looked for where a stream is to be decided.
    """
    paths = FlowPaths.of(spec, flow)
    committed, fault = committed_and_fault(paths, spec.name, flow.stored_as)
    opened, abandoned = _opened(spec, flow, paths, committed)
    newest = greatest_number(paths, committed)
    inputs = inputs_of(spec, flow)
    changes = by_name(item for item in inputs if item.spec.read == "changes")
    if opened is not None and not opened.damage and KIND_TRAITS[opened.kind].streams:
        before = committed.epoch if committed is not None and committed.generation == opened.number else -1
        damage = _otherwise(changes, opened, paths) or _withdrawn(changes, opened, paths, before)
        opened = replace(opened, damage=damage)
    if committed is None and opened is None:
        return FlowState(None, None, {}, fault, newest)
    drifts = _drifts(paths, inputs, changes, committed, opened)
    unfinished_part = None
    if committed is not None and fault is None:
        fault = missing(spec, flow, inputs, paths, committed)
        unfinished_part = unfinished(paths, committed)
    with_int96 = tables_with_int96(paths, committed) if mode == "batch" and fault is None else ()
    interruption = interrupted(unfinished_part) if unfinished_part is not None else None
    moved = unrepeatable(paths, inputs, committed, opened)
    return FlowState(committed, opened, drifts, fault, newest, with_int96, interruption, moved, abandoned)


def _opened(
    spec: PipelineSpec, flow: FlowSpec, paths: FlowPaths, committed: Committed | None
) -> tuple[Opened | None, tuple[int, ...]]:
    """The generation that decides, and the newer ones that need not be heeded: the edit they were opened for is taken back.

    That is the newest, but for one of another definition that has reached no table, where the target's own is of this one.
    """
    opened = newest_opened(paths, committed=committed)
    if opened is None or committed is None or opened.number <= committed.generation:
        return opened, ()
    digest = fingerprint(spec, flow).digest
    if opened.fingerprint in ("", digest) or committed.fingerprint != digest:
        return opened, ()
    if any(
        (stamp := last_stamp(table)) is not None and stamp.generation > committed.generation
        for table in (paths.quarantine, paths.state)
    ):
        return opened, ()
    target_generation = opened_generation(paths, committed.generation)
    if target_generation is None:
        return opened, ()
    return target_generation, tuple(n for n in generation_numbers(paths) if committed.generation < n <= opened.number)


def _drifts(
    paths: FlowPaths,
    inputs: Sequence[Input],
    changes: Sequence[Input],
    committed: Committed | None,
    opened: Opened | None,
) -> dict[str, Drift]:
    """How each input has moved since the newest epoch of the target; where that has none, of the generation that was opened."""
    if committed is not None:
        number, kind, epoch = committed.generation, committed.kind, cast("int | None", committed.epoch)
    elif opened is not None:
        number, kind, epoch = opened.number, opened.kind, opened.completed_epoch
    else:
        return {}
    drifts: dict[str, Drift] = {}
    generation = as_opened(paths, number)
    indexes, former_names = dict(generation.sources), _former_names(inputs, generation)
    alone = len(generation.sources or changes) == 1
    for flow_input in inputs:
        streamed = KIND_TRAITS[kind].streams and flow_input in changes
        name = former_names.get(flow_input.name, flow_input.name)
        log = OffsetLog(generation.path, indexes.get(name, changes.index(flow_input)) if streamed else 0)
        source = open_source(replace(flow_input.source, name=name))
        position = committed.to.get(name) if committed is not None else _last_read(source, log, epoch)
        if position is None:
            continue
        drift = _drift(source, position, log, epoch if streamed else None)
        if flow_input in changes and epoch is not None:
            drift = with_lost_row_counts(drift, generation.path, log, epoch, streamed=streamed, alone=alone)
        drifts[flow_input.name] = drift
    return drifts


def _former_names(inputs: Sequence[Input], record: Generation) -> dict[str, str]:
    """Input → what the generation knew it by: an input that is new to it and lies where another did, which is gone, was renamed."""
    named, recorded = {item.name for item in inputs}, dict(record.sources)
    gone = {place: name for name, place in record.places if place and name not in named}
    return {
        item.name: gone[item.source.path] for item in inputs if item.name not in recorded and item.source.path in gone
    }


def _otherwise(changes: Sequence[Input], opened: Opened, paths: FlowPaths) -> str:
    """The input that is streamed in another way than the generation's checkpoint was made for: by its change feed, or by what was added."""
    feeds = {item.name for item in changes if item.source.reads_change_feed}
    before = dict(as_opened(paths, opened.number).sources)
    comparable = {item.name for item in changes if not before or item.name in before}
    other = sorted((feeds ^ set(opened.feeds)) & comparable) if opened.feeds is not None else []
    if not other:
        return ""
    return f"'{other[0]}' {'changes and deletes rows now' if other[0] in feeds else 'only adds rows now'}"


def _withdrawn(changes: Sequence[Input], opened: Opened, paths: FlowPaths, committed: int) -> str:
    """What has become of the files of an epoch that was begun and not committed: Spark would read those of its list, and no others."""
    if opened.planned_epoch is None or opened.planned_epoch <= committed:
        return ""
    order = dict(as_opened(paths, opened.number).sources)
    for index, flow_input in enumerate(changes):
        source = open_source(flow_input.source)
        if isinstance(source, FileSource):
            log = OffsetLog(paths.generation(opened.number), order.get(flow_input.name, index))
            fault = source.withdrawn(log, opened.planned_epoch)
            if fault:
                return f"{flow_input.name}: {fault}"
    return ""


def _drift(source: Source, read: Mapping[str, Any], log: OffsetLog, epoch: int | None) -> Drift:
    try:
        return source.drift(read, log, epoch)
    except KeyError:
        if read.keys() & source.latest().position.keys():
            raise
        # A position of another kind of source, which had the name before: what was read of that, nothing can tell any more.
        return Drift("lost", "it is another kind of source now", new=True)


def _last_read(source: Source, log: OffsetLog, epoch: int | None) -> Mapping[str, Any] | None:
    """How far an input was read, by the checkpoint alone: the target that would tell is gone."""
    if epoch is None or not log.has(epoch):
        return None
    try:
        return source.upto(log, epoch).position
    except FlowFailed:  # the checkpoint is damaged as well: what it says of itself is in the decision's reason
        return None
