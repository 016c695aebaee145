"""How far the readers of a flow's target have come, so that nothing is removed that they have still to read. No JVM.

A reader is a flow of the same environment, of whatever pipeline of the project, whose input lies where the target does. It stands where its
target's newest commit says, or its quarantine's and state's (an epoch that died), or Spark's checkpoint (an epoch that is planned), or the pins of
its snapshots: every version from the earliest of these on stays whole, with its change feed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.object_uris import is_object
from etl.engine.inspection.flow_state import inputs_of
from etl.engine.metadata.delta_log import last_committed, last_stamp
from etl.engine.metadata.generations import as_opened, generation_numbers
from etl.engine.metadata.offset_log import OffsetLog, decode, entries
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import holder_since
from etl.engine.storage.places import place
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.job import Input
    from etl.planning.maintenance import Needs

_NOTHING = -1  # the version before the first


@dataclass(frozen=True, slots=True)
class Reader:
    """A flow that reads a table, by one of its inputs."""

    name: str
    paths: FlowPaths
    flow_input: Input
    others: frozenset[str] = frozenset()  # the names of all inputs of the flow


def readers(specs: Sequence[PipelineSpec], table: str) -> tuple[Reader, ...]:
    """The flows of the pipelines whose inputs lie at `table`, disabled ones among them: they may be enabled again."""
    names = {
        flow.sink.table
        for spec in specs
        for flow in (*spec.flows, *spec.disabled)
        if flow.sink.table and _same(FlowPaths.of(spec, flow).target, table)
    }
    return tuple(
        Reader(
            f"{spec.name}.{flow.name}",
            FlowPaths.of(spec, flow),
            flow_input,
            frozenset(item.dataset for item in spec.as_stored(flow).inputs),
        )
        for spec in specs
        for flow in (*spec.flows, *spec.disabled)
        for flow_input in _inputs(spec, flow)
        if _same(flow_input.source.path, table)
        or (flow_input.source.table is not None and flow_input.source.table in names)
    )


def with_readers(needs: Needs, found: Sequence[Reader]) -> Needs:
    """The needs, with those of the readers: from which version on, and since which instant one of their runs has been at work."""
    since = [instant for reader in found if (instant := holder_since(reader.paths.lock)) is not None]
    for reader in found:
        for version in _versions(reader):
            needs = needs.and_those(version, reader.name)
    return needs if not since else needs.and_since(int(min(since) * 1000))


def _inputs(spec: PipelineSpec, flow: FlowSpec) -> Iterator[Input]:
    """The inputs that are tables; those of a disabled flow may be of flows that are not there."""
    try:
        yield from (item for item in inputs_of(spec, flow) if item.source.format in ("delta", "table"))
    except KeyError:
        return


def _same(path: str, table: str) -> bool:
    if not path:
        return False
    one, other = decode(path), decode(table)
    return one == other if is_object(other) or is_object(one) else place(one) == place(other)


def _versions(reader: Reader) -> Iterator[int]:
    """Every version of the table at which the reader, or an epoch of it that is under way, stands."""
    paths, name = reader.paths, reader.flow_input.name
    committed = last_committed(paths.target)
    stamps = [
        stamp for table in (paths.target, paths.quarantine, paths.state) if (stamp := last_stamp(table)) is not None
    ]
    for stamp in stamps:
        for positions in (stamp.to, (stamp.backfill or {}).get("snapshots", {})):
            yield from _of(positions, name, reader.others)
    current = committed.generation if committed is not None else 0
    for number in generation_numbers(paths):
        generation = as_opened(paths, number)
        if number < current or generation.abandoned:
            continue
        yield from _of({key: pin.position for key, pin in generation.records.pins().items()}, name, reader.others)
        index = dict(generation.sources).get(name)
        if index is not None:
            yield from _planned(OffsetLog(generation.checkpoint, index))
    if committed is None and not stamps:
        yield from _started(reader)


def _planned(log: OffsetLog) -> Iterator[int]:
    """Where the epochs that Spark planned begin and end, of those that may not be done: the newest two."""
    for epoch in entries(place(log.checkpoint, "offsets"))[-2:]:
        try:
            offset = log.offset(epoch)
        except FlowFailed:  # damaged: what the next run makes of it is not known
            yield _NOTHING
            continue
        if isinstance(offset, dict) and "reservoirVersion" in offset:
            yield int(offset["reservoirVersion"]) - (0 if offset.get("isStartingVersion") else 1)


def _started(reader: Reader) -> Iterator[int]:
    """Where a reader that has read nothing yet begins, where it does not with the table as it then is."""
    source = reader.flow_input.source
    if source.start_version is not None:
        yield source.start_version - 1
    elif source.start_ms is not None:
        yield _NOTHING


def _of(positions: Mapping[str, Any], name: str, others: frozenset[str]) -> Iterator[int]:
    """The versions among positions that are an input's: under its name, or under one that no input has any more, which it may have had."""
    for key, position in positions.items():
        if (key == name or key not in others) and isinstance(position, dict) and "version" in position:
            yield min(int(position["version"]), int(position.get("within") or position["version"]))
