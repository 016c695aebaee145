"""`etl checkpoints repair`: what is wrong with a flow's checkpoint and tables, and what can be mended without a rebuild. No JVM."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.inspection.target_faults import committed_and_fault
from etl.engine.metadata import offset_log
from etl.engine.metadata.delta_log import last_stamp
from etl.engine.metadata.generations import Generation, checkpoint_progress, newest_opened, record_generation
from etl.engine.storage.json_files import write_json
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.engine.storage.places import place
from etl.errors import EtlError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.storage.places import Place
    from etl.planning.plan import Committed

_MOST_FAULTS = 5  # one fault can hide another; a checkpoint has no more than these that can be mended


@dataclass(frozen=True, slots=True)
class FlowRepair:
    """The faults of one flow: each is mended or left, and never both.

    Attributes:
        left: Each with what becomes of it.
    """

    flow: str
    mended: tuple[str, ...]
    left: tuple[str, ...]


def repair(spec: PipelineSpec, *, flows: Sequence[str] = ()) -> tuple[FlowRepair, ...]:
    """Examine the named flows, or all, and mend what can be mended so that the same table comes of it."""
    return tuple(_flow(spec, flow) for flow in spec.flows if not flows or flow.name in flows)


def _flow(spec: PipelineSpec, flow: FlowSpec) -> FlowRepair:
    paths = FlowPaths.of(spec, flow)
    if not place(paths.checkpoints).is_dir() and last_stamp(paths.target) is None:
        return FlowRepair(flow.name, (), ())
    with flow_lock(paths, flow=flow.name, run_id="repair"):
        mended: list[str] = []
        left: list[str] = []
        try:
            committed, fault = committed_and_fault(paths, spec.name, flow.stored_as)
            if fault is not None:
                left.append(f"{fault.what}; {fault.hint or 'the next run rebuilds the target'}")
            damage = ""
            for _ in range(_MOST_FAULTS):
                opened = newest_opened(paths, committed=committed)
                damage = opened.damage if opened is not None else ""
                done = _mend(paths, opened.number, committed) if opened is not None and damage else ""
                if not done:
                    break
                mended.append(f"{damage}; {done}")
            if damage:
                left.append(f"{damage}; the next run opens a new generation where all inputs can be read again")
            if opened is None and committed is not None:
                left.append(
                    f"the checkpoint of generation {committed.generation} is missing; the next run opens a new one"
                )
        except EtlError as cause:
            left.append(f"{cause.what}; {cause.hint}")
    return FlowRepair(flow.name, tuple(mended), tuple(left))


def _mend(paths: FlowPaths, number: int, committed: Committed | None) -> str:
    """Mend the first fault of a generation that can be mended, and say how; empty where none can."""
    folder = place(paths.generation(number))
    if _is_unreadable(paths, number):
        if committed is None or committed.generation != number:
            return ""  # nobody else knows what it was opened for
        record = Generation(number, str(folder), committed.fingerprint, committed.kind, committed.run)
        record_generation(record)
        return "rewritten from the target's own log"
    metadata = folder / "metadata"
    if offset_log.unreadable_metadata(metadata):
        _set_aside(folder, metadata)
        write_json(metadata, {"id": str(uuid.uuid4())})
        return "rewritten: it holds nothing but the query's id"
    offered, finished = checkpoint_progress(str(folder))
    reached_epoch = committed.epoch if committed is not None and committed.generation == number else -1
    if (
        finished is not None
        and finished <= reached_epoch
        and offset_log.unreadable_lines(folder / "commits" / str(finished))
    ):
        _set_aside(folder, folder / "commits" / str(finished))
        return f"moved aside: the target holds epoch {finished}, so Spark offers it again and nothing is written"
    offers = folder / "offsets" / str(offered)
    started = any(
        (found := last_stamp(table)) is not None and (found.generation, found.epoch) == (number, offered)
        for table in (paths.quarantine, paths.state)
    )
    is_open = offered is not None and offered == reached_epoch + 1 and (finished is None or finished < offered)
    if is_open and not started and offset_log.unreadable_offsets(offers):
        _set_aside(folder, offers)
        return f"moved aside: nothing of epoch {offered} was written, so it is planned again"
    return ""


def _is_unreadable(paths: FlowPaths, number: int) -> bool:
    return offset_log.unreadable_record(place(paths.generation(number), "generation.json"))


def _set_aside(folder: Place, file: Place) -> None:
    """Move a damaged file, and the sum that Hadoop keeps beside it, out of Spark's sight."""
    aside = folder / "etl" / "set-aside"
    aside.mkdir(parents=True, exist_ok=True)
    for part in (file, file.with_name(f".{file.name}.crc")):
        if part.exists():
            part.replace(str(aside / f"{file.parent.name}-{part.name}-{uuid.uuid4().hex[:8]}"))
