"""The lives of a target: one folder `checkpoints/<pipeline>/<flow>/g<N>` each, opened once, then superseded; maintenance removes old ones.

Beside Spark's own checkpoint a generation's folder holds `generation.json` (what it was opened for) and `etl/` (what its epochs leave:
`epoch_records`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.engine.crash_points import Point, reach
from etl.engine.metadata import offset_log
from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.metadata.state_store import state_damage
from etl.engine.storage.json_files import read_json, write_json, write_new_json
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.places import Place, files_below, place, remove_tree
from etl.errors import FlowFailed
from etl.planning.decision import Opened
from etl.planning.kinds import KIND_TRAITS, Kind
from etl.planning.plan import Committed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MICROS = "micros"
"""What a generation's files store a TIMESTAMP as, since flows' sessions say so: Parquet's own type for it, which every reader reads alike."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One life of a target: its number, its folder, and what it was opened for.

    Attributes:
        opened_by: The id of the run that opened it.
        feeds: The inputs whose rows change and go, read by what came and went; None where that was not recorded.
        staged: Of state: its first epochs are kept back until all of them can replace the target at once.
        sources: Changes input → which source of the query it is.
        places: Changes input → where it lies; it stays itself under another name.
        partitions: Of state: the partitions of a shuffle, as long as the state lives.
        behind_ms: Of state: by how much Spark's watermark stays behind ours.
        instants: How its files store a TIMESTAMP; empty where a build wrote them that left this to Spark's settings.
        abandoned: It reached no table, and an older generation went on after it: it is never resumed.
    """

    number: int
    path: str
    fingerprint: str
    kind: Kind
    opened_by: str
    feeds: tuple[str, ...] | None = None
    staged: bool = False
    sources: tuple[tuple[str, int], ...] = ()
    places: tuple[tuple[str, str], ...] = ()
    partitions: int = 0
    behind_ms: int = 0
    instants: str = ""
    abandoned: bool = False

    @property
    def checkpoint(self) -> str:
        """Where Spark keeps this generation's offsets and commits."""
        return self.path

    @property
    def records(self) -> EpochRecords:
        """What its epochs leave beside Spark's checkpoint."""
        return EpochRecords(self.path)

    @property
    def staged_results(self) -> Place:
        """The folder of the results of its staged epochs."""
        return place(self.path, "etl", "held")


def generation_numbers(paths: FlowPaths) -> list[int]:
    """Every generation that was opened, ascending."""
    root = place(paths.checkpoints)
    if not root.is_dir():
        return []
    return sorted(int(item.name[1:]) for item in root.iterdir() if item.name[:1] == "g" and item.name[1:].isdigit())


def open_generation(generation: Generation) -> None:
    """Make a new generation known; from now on it is the one that decides. FlowFailed where another run has made it known."""
    if not write_new_json(place(generation.path, "generation.json"), _record(generation)):
        message = f"generation {generation.number} was opened by another run meanwhile"
        raise FlowFailed(message, hint="this run lost its lock; run again to go on from there")


def record_generation(generation: Generation) -> None:
    """Rewrite the record of a generation, which was damaged."""
    write_json(place(generation.path, "generation.json"), _record(generation))


def record_definition(generation: Generation, definition: Mapping[str, Any]) -> None:
    """Keep the definition that a generation was opened for, so that a plan can say what an edit changed; no decision depends on it."""
    write_json(place(generation.path, "definition.json"), definition)


def recorded_definition(paths: FlowPaths, number: int) -> Mapping[str, Any] | None:
    """What `record_definition` kept; None where it kept nothing that can be read, as of generations of older builds."""
    try:
        definition = read_json(place(paths.generation(number), "definition.json"))
    except ValueError:
        return None
    return definition if isinstance(definition, dict) else None


def abandon(paths: FlowPaths, numbers: Iterable[int]) -> None:
    """Mark generations that reached no table as abandoned, and remove what they staged; their numbers are never used again."""
    for number in numbers:
        generation = read_generation(paths, number)
        if generation is not None:
            record_generation(replace(generation, abandoned=True))
            remove_tree(generation.staged_results)


def forget_generation(paths: FlowPaths, number: int) -> tuple[int, int]:
    """Remove the folder of a superseded generation, its record first: it is then none that could be gone back to. Files, and their bytes."""
    held = size_of_generation(paths, number)
    place(paths.generation(number), "generation.json").unlink(missing_ok=True)
    reach(Point.GENERATION_FORGOTTEN)
    remove_tree(place(paths.generation(number)))
    return held


def size_of_generation(paths: FlowPaths, number: int) -> tuple[int, int]:
    """The files of a generation's folder, and their bytes."""
    sizes = [size for file in files_below(place(paths.generation(number))) if (size := _size(file)) is not None]
    return len(sizes), sum(sizes)


def _size(file: Place) -> int | None:
    try:
        return int(file.stat().st_size)
    except FileNotFoundError:  # Spark has just replaced it
        return None


def _record(generation: Generation) -> dict[str, Any]:
    """The content of `generation.json`; its keys stay, since storage of older builds is read (`held` is whether epochs are staged)."""
    return {
        "generation": generation.number,
        "fingerprint": generation.fingerprint,
        "kind": generation.kind,
        "run": generation.opened_by,
        **({"feeds": list(generation.feeds)} if generation.feeds is not None else {}),
        "sources": dict(generation.sources),
        "places": dict(generation.places),
        **({"instants": generation.instants} if generation.instants else {}),
        **({"abandoned": True} if generation.abandoned else {}),
        **(
            {
                "held": generation.staged,
                "partitions": generation.partitions,
                "behind_ms": generation.behind_ms,
            }
            if KIND_TRAITS[generation.kind].keeps_state
            else {}
        ),
    }


def read_generation(paths: FlowPaths, number: int) -> Generation | None:
    """A generation as it was opened; None where its record is not there."""
    path = paths.generation(number)
    file = place(path, "generation.json")
    try:
        fields = read_json(file)
        if fields is None:
            return None
        if fields["kind"] not in KIND_TRAITS:
            raise ValueError(f"unknown kind {fields['kind']!r}")  # one handler words every damage alike
        return Generation(
            number=number,
            path=path,
            fingerprint=str(fields["fingerprint"]),
            kind=fields["kind"],
            opened_by=str(fields["run"]),
            feeds=tuple(map(str, fields["feeds"])) if "feeds" in fields else None,
            staged=bool(fields.get("held", False)),
            sources=tuple((str(name), int(index)) for name, index in fields.get("sources", {}).items()),
            places=tuple((str(name), str(place)) for name, place in fields.get("places", {}).items()),
            partitions=int(fields.get("partitions", 0)),
            behind_ms=int(fields.get("behind_ms", 0)),
            instants=str(fields.get("instants", "")),
            abandoned=bool(fields.get("abandoned", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        message = f"the record of generation {number} cannot be read: {file}"
        raise FlowFailed(message, hint="rebuild the flow with --full-refresh") from cause


def as_opened(paths: FlowPaths, number: int) -> Generation:
    """What a generation's record says of its inputs; nothing where it is gone or cannot be read, which the decision tells."""
    unknown = Generation(number, paths.generation(number), "", "full", "")
    try:
        return read_generation(paths, number) or unknown
    except FlowFailed:
        return unknown


def newest_opened(paths: FlowPaths, *, committed: Committed | None = None) -> Opened | None:
    """The newest generation and how far Spark's checkpoint of it has come; None where none was opened.

    One that was rolled back, as `committed` tells, counts no more, nor does one that was abandoned.
    """
    for number in reversed(generation_numbers(paths)):
        if committed is not None and committed.generation < number <= committed.rolled_back_upto:
            continue
        opened = opened_generation(paths, number)
        if opened is not None:
            return opened
    return None


def opened_generation(paths: FlowPaths, number: int) -> Opened | None:
    """One generation and how far Spark's checkpoint of it has come; None where it was never opened, or was abandoned."""
    path = paths.generation(number)
    planned, completed = checkpoint_progress(path)
    try:
        generation = read_generation(paths, number)
    except FlowFailed as cause:
        return Opened(number, "", "rows", planned, completed, damage=cause.what)
    if generation is not None and generation.abandoned:
        return None
    if generation is not None:
        traits = KIND_TRAITS[generation.kind]
        damage = offset_log.damage(generation.checkpoint) if traits.streams else ""
        drained = not traits.keeps_state or is_drained(path)
        if traits.keeps_state and not damage and completed is not None:
            # An epoch that Spark is to finish once more (`reopen`) loads what the one before it left.
            is_reopened = planned == completed and not drained
            damage = state_damage(generation.checkpoint, completed - 1 if is_reopened else completed)
        late = generation.records.has_left_out()
        return Opened(
            number,
            generation.fingerprint,
            generation.kind,
            planned,
            completed,
            drained,
            damage,
            left_out=late,
            feeds=generation.feeds,
        )
    if planned is not None or place(path, "etl").exists():
        lost = f"the record of generation {number} is missing: {place(path, 'generation.json')}"
        return Opened(number, "", "rows", planned, completed, damage=lost)
    return None


def has_committed(paths: FlowPaths, number: int) -> bool:
    """Whether a generation is known, from its own folder, to have reached the target."""
    counts = place(paths.generation(number), "etl", "counts")
    return checkpoint_progress(paths.generation(number))[1] is not None or (counts.is_dir() and any(counts.iterdir()))


def checkpoint_progress(path: str) -> tuple[int | None, int | None]:
    """The newest epoch that Spark's checkpoint in a generation's folder planned, and the newest that it completed."""
    return _newest_entry(place(path, "offsets")), _newest_entry(place(path, "commits"))


def _newest_entry(folder: Place) -> int | None:
    return max(offset_log.entries(folder), default=None)


def is_drained(generation_path: str) -> bool:
    """Whether nothing is due: no epoch was started, or the newest is finished and known to be the last that was called for."""
    planned, completed = checkpoint_progress(generation_path)
    return planned == completed == EpochRecords(generation_path).drained()
