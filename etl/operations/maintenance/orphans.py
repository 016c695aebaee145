"""`etl orphans`: what lies in storage of flows that a pipeline no longer has, and its removal. No JVM."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.load import load, neighbours
from etl.config.object_uris import below
from etl.engine.crash_points import Point, reach
from etl.engine.metadata.delta_log import log_versions, read_commit
from etl.engine.storage.json_files import read_json
from etl.engine.storage.layout import FlowPaths, must_be_readable, root_of
from etl.engine.storage.locks import flow_lock, must_hold
from etl.engine.storage.places import files_below, place, remove_tree
from etl.errors import LockHeld, RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from etl.config.spec import PipelineSpec
    from etl.engine.storage.places import Place

_FOLDERS = ("tables", "quarantine", "state", "checkpoints")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_LOCK = "lock"
_LOG = "_delta_log"


@dataclass(frozen=True, slots=True)
class Orphan:
    """What storage has of a flow that the pipeline no longer has.

    Attributes:
        flow: The name by which storage knows it.
        last_commit: To its table, as ISO 8601 in UTC; None where there is no table, or its log does not tell.
        places: The folders that `--remove` removes, with what is in them.
        kept: What it does not remove: a folder that is a link, or leads out of storage.
        table: The name under which a catalog knows the table: the catalog is not told of a removal.
        removed: Whether it was removed.
        reason: Why it was not, where that was asked for.
    """

    flow: str
    files: int
    bytes: int
    last_commit: str | None
    places: tuple[str, ...]
    kept: tuple[str, ...] = ()
    table: str | None = None
    removed: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Orphans:
    """The orphans of a pipeline, by name.

    Attributes:
        unread: Other pipelines of the project that have mistakes, so that nobody knows where they write.
    """

    pipeline: str
    storage: str
    orphans: tuple[Orphan, ...]
    unread: tuple[str, ...] = ()


def orphans(spec: PipelineSpec) -> Orphans:
    """What lies in the layout of storage under names that no flow has, now or by `was`; disabled flows keep theirs."""
    must_be_readable(spec)
    others, unread = neighbours(spec)
    names = _orphaned(spec, others)
    targets = _targets((spec, *others))
    found = (_orphan(spec, name, targets) for name in names)
    listed = tuple(orphan for orphan in found if orphan.files or orphan.kept)
    return Orphans(spec.name, spec.storage, listed, unread)


def orphan_names(spec: PipelineSpec) -> tuple[str, ...]:
    """The names alone, by four looks at folders: what a plan mentions."""
    targets = _targets((spec,))
    return tuple(
        name
        for name in _orphaned(spec, ())
        if any(file.name != _LOCK for folder in _unowned(spec, name, targets) for file in files_below(folder))
    )


def remove(spec: PipelineSpec, found: Orphans, tell: Callable[[Orphan], None]) -> Orphans:
    """Remove orphans, each told of before it goes; one that a run holds the lock of stays, and so does what leads out of storage.

    Who is killed amid this leaves a table that is a little older, or none, and the next call ends it. Raises ConfigurationError where
    another pipeline cannot be read.
    """
    for name in found.unread:
        load(name, environment=spec.environment, project=spec.project)  # its mistakes are the error
    return replace(found, orphans=tuple(_removed(spec, orphan, tell) for orphan in found.orphans))


def _removed(spec: PipelineSpec, orphan: Orphan, tell: Callable[[Orphan], None]) -> Orphan:
    if orphan.kept:
        return replace(orphan, reason=f"{', '.join(orphan.kept)}: a link, or beyond one: nothing of it is removed")
    paths = _paths(spec, orphan.flow)
    try:
        with flow_lock(paths, flow=orphan.flow, run_id="orphans"):
            tell(orphan)
            for folder in map(place, orphan.places):
                must_hold(paths, flow=orphan.flow, run_id="orphans")
                _remove_folder(folder)
            if isinstance(place(paths.lock), Path):
                place(paths.lock).unlink()  # while it is held: whoever waits for it sees that it is gone
    except LockHeld as cause:
        return replace(orphan, reason=cause.what)
    place(paths.lock).unlink(missing_ok=True)  # a lease, which its holder has let go of
    for folder in (*_folders(spec, orphan.flow), *(place(root_of(spec), kind, spec.name) for kind in _FOLDERS)):
        if isinstance(folder, Path) and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return replace(orphan, removed=True)


def _remove_folder(folder: Place) -> None:
    """Remove a folder but for a lock in it: of a table the log first, from its end, so that at each moment it tells of files that are there."""
    log = place(folder, _LOG)
    newest_first = sorted(files_below(log), key=lambda file: file.name, reverse=True)
    for file in (*newest_first, *files_below(folder)):
        if file.name != _LOCK or file.parent != folder:
            file.unlink(missing_ok=True)
            reach(Point.ORPHANED_FILE_REMOVED)
    for inner in list(folder.iterdir()) if folder.is_dir() else ():
        if isinstance(inner, Path) and inner.is_symlink():
            inner.unlink()  # the link, and nothing of what it leads to
        elif inner.name != _LOCK:
            remove_tree(inner)  # folders without files


def _orphaned(spec: PipelineSpec, others: Iterable[PipelineSpec]) -> list[str]:
    """The names of folders in the layout that belong to no flow."""
    same = [other for other in others if (other.name, other.storage) == (spec.name, spec.storage)]
    owned = {flow.stored_as for each in (spec, *same) for flow in (*each.flows, *each.disabled)}
    present = {
        folder.name
        for kind in _FOLDERS
        if (above := place(root_of(spec), kind, spec.name)).is_dir()
        for folder in above.iterdir()
        if _NAME.fullmatch(folder.name) and folder.name not in owned and folder.is_dir()
    }
    return sorted(present)


def _targets(specs: Iterable[PipelineSpec]) -> tuple[str, ...]:
    """Where the flows of the pipelines write."""
    return tuple(FlowPaths.of(spec, flow).target for spec in specs for flow in (*spec.flows, *spec.disabled))


def _paths(spec: PipelineSpec, name: str) -> FlowPaths:
    return FlowPaths(*(below(root_of(spec), kind, f"{spec.name}/{name}") for kind in _FOLDERS))


def _folders(spec: PipelineSpec, name: str) -> Iterator[Place]:
    paths = _paths(spec, name)
    yield from map(place, (paths.target, paths.quarantine, paths.state, paths.checkpoints))


def _unowned(spec: PipelineSpec, name: str, targets: tuple[str, ...]) -> Iterator[Place]:
    """The folders of that name, but for those in which a flow writes by its `sink.path`."""
    for folder in _folders(spec, name):
        own = f"{folder}/"
        if not any(f"{target}/".startswith(own) or own.startswith(f"{target}/") for target in targets):
            yield folder


def _orphan(spec: PipelineSpec, name: str, targets: tuple[str, ...]) -> Orphan:
    files = size = 0
    places: list[str] = []
    kept: list[str] = []
    for folder in _unowned(spec, name, targets):
        shown = str(folder)
        if isinstance(folder, Path) and not _is_within(folder, Path(root_of(spec))):
            kept.append(shown)
            continue
        inside = [file for file in files_below(folder) if file.name != _LOCK or file.parent != folder]
        if inside:
            places.append(shown)
            files += len(inside)
            size += sum(map(_size, inside))
    paths = _paths(spec, name)
    return Orphan(name, files, size, _last_commit(paths.target), tuple(places), tuple(kept), _registered(paths))


def _is_within(folder: Path, root: Path) -> bool:
    """Whether a folder is none, or lies in the root by its own path and by no link of the flow's own."""
    if folder.is_symlink():
        return False
    return not folder.exists() or folder.resolve().is_relative_to(root.resolve())


def _size(file: Place) -> int:
    try:
        return file.lstat().st_size if isinstance(file, Path) else file.stat().st_size
    except FileNotFoundError:  # a run that works on it has just replaced the file
        return 0


def _last_commit(table: str) -> str | None:
    try:
        versions = log_versions(table)
        at = read_commit(table, versions[-1]).timestamp_ms if versions else 0
    except RunError:  # a log that is damaged
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds") if at else None


def _registered(paths: FlowPaths) -> str | None:
    try:
        record = read_json(place(paths.checkpoints, "table.json"))
    except ValueError:
        return None
    return str(record["table"]) if isinstance(record, dict) and record.get("table") else None
