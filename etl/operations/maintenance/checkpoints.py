"""`etl checkpoints show`: the lives of every target, from its checkpoints and its own log. No JVM."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from etl.engine.metadata.delta_log import commits, last_committed
from etl.engine.metadata.generations import checkpoint_progress, generation_numbers, read_generation
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.engine.storage.places import files_below, place
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.storage.places import Place

Standing = Literal["current", "interrupted", "superseded"]


@dataclass(frozen=True, slots=True)
class GenerationState:
    """One life of a target: who opened it, and how far it came.

    Attributes:
        standing: `interrupted`: newer than what the target holds, so the next run finishes or replaces it.
        opened_by: A run's id.
        offered: The newest epoch that Spark planned; None for a full flow, which has no checkpoint of Spark's.
        finished: The newest epoch that Spark knows as done.
        committed: The newest epoch in the target's own log.
        position: Input → how far it was read, after the last commit.
        folder: None: the target's log names the generation, but its folder is gone.
    """

    number: int
    standing: Standing
    kind: str | None
    fingerprint: str | None
    opened_by: str | None
    opened_at: str | None
    offered: int | None
    finished: int | None
    committed: int | None
    position: dict[str, Any] | None
    bytes: int
    folder: str | None


@dataclass(frozen=True, slots=True)
class FlowCheckpoints:
    """All generations of one flow, oldest first."""

    flow: str
    generations: tuple[GenerationState, ...]


def checkpoints(spec: PipelineSpec, *, flows: Sequence[str] = ()) -> tuple[FlowCheckpoints, ...]:
    """The generations of the named flows, or of all."""
    must_be_readable(spec)
    return tuple(_flow(spec, flow) for flow in spec.flows if not flows or flow.name in flows)


def _flow(spec: PipelineSpec, flow: FlowSpec) -> FlowCheckpoints:
    paths = FlowPaths.of(spec, flow)
    newest: dict[int, Provenance] = {}
    for commit in commits(paths.target):
        if commit.stamp is not None:
            newest[commit.stamp.generation] = commit.stamp
    current = last_committed(paths.target)
    holds = current.generation if current is not None else max(newest, default=None)
    rolled_back_upto = current.rolled_back_upto if current is not None else -1
    numbers = sorted({*generation_numbers(paths), *newest})
    return FlowCheckpoints(
        flow.name, tuple(_generation(paths, number, newest.get(number), holds, rolled_back_upto) for number in numbers)
    )


def _generation(
    paths: FlowPaths, number: int, last: Provenance | None, holds: int | None, rolled_back_upto: int
) -> GenerationState:
    folder = place(paths.generation(number))
    try:
        opened = read_generation(paths, number)
    except FlowFailed:  # damaged: `repair` says so, and the target's log tells what there is to know
        opened = None
    offered, finished = checkpoint_progress(str(folder))
    record = folder / "generation.json"
    standing: Standing = "superseded"
    if number == holds:
        standing = "current"
    elif not (opened and opened.abandoned) and (holds is None or number > max(holds, rolled_back_upto)):
        standing = "interrupted"
    return GenerationState(
        number=number,
        standing=standing,
        kind=opened.kind if opened else last.kind if last else None,
        fingerprint=opened.fingerprint if opened else last.fingerprint if last else None,
        opened_by=opened.opened_by if opened else None,
        opened_at=datetime.fromtimestamp(record.stat().st_mtime, UTC).isoformat(timespec="seconds") if opened else None,
        offered=offered,
        finished=finished,
        committed=last.epoch if last else None,
        position=dict(last.to) if last else None,
        bytes=_size(folder),
        folder=str(folder) if folder.is_dir() else None,
    )


def _size(folder: Place) -> int:
    total = 0
    for file in files_below(folder):
        try:
            total += file.stat().st_size
        except FileNotFoundError:  # a run that works on it has just replaced the file
            continue
    return total
