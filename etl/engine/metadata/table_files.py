"""The files of a Delta table, as its own log tells: what it holds, what it held, and the files of its change feed. No JVM.

Delta's transaction protocol: `add`, `remove` and `cdc` actions, whose paths are URIs below the table. Paths are told here as they are on disk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etl.engine.metadata.delta_log import log_versions
from etl.engine.metadata.offset_log import decode
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import files_below, lines_of, place
from etl.errors import RunError
from etl.planning.maintenance import DataFile, LoggedFiles, Removal, StoredFile

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Iterator

    from etl.engine.storage.places import Place

_CLUSTERED = "clusteringProvider"
_CLUSTERING_DOMAIN = "delta.clustering"
_FEED_FOLDER = "_change_data"
_LOG_FOLDER = "_delta_log"


def logged_files(table: str, *, alive: Iterable[DataFile] = ()) -> LoggedFiles | None:
    """The files of a table by the commits that are in its log; None where there is no table.

    `alive`: what the newest version holds by a checkpoint, where the log does not begin with the first version, which `is_whole` tells.
    Raises RunError where the log is damaged.
    """
    versions = log_versions(table)
    if not versions:
        return None
    replay = _Replay(table)
    for version in versions:
        replay.take(version)
    gone = replay.removed.keys() | replay.live.keys()
    live = {**{file.path: file for file in alive if file.path not in gone}, **replay.live}
    return LoggedFiles(
        version=versions[-1],
        first_version=versions[0],
        live=live,
        removed=replay.removed,
        told=replay.told,
        cluster_by=replay.cluster_by,
    )


def is_whole(table: str) -> bool:
    """Whether a table's log tells of every version."""
    return log_versions(table)[:1] == [0]


def file_count(table: str) -> int | None:
    """How many files a table's newest version holds, by its checksum alone; None where it has none, or there is no table."""
    versions = log_versions(table)
    try:
        known = read_json(place(table, _LOG_FOLDER, f"{versions[-1]:020d}.crc")) if versions else None
        return int(known["numFiles"]) if known else None
    except (ValueError, KeyError, TypeError):
        return None


def stored_files(table: str, *, but: Container[str]) -> Iterator[StoredFile]:
    """The files of data and of the change feed that lie in a table's folder, `but` some; not those of a table that lies within it.

    As for Delta's VACUUM, what has a name that begins with `_` or `.` is none, nor what lies in a folder of such a name that is no partition.
    """
    root = place(table)
    files = [(str(file).removeprefix(str(root)).lstrip("/"), file) for file in files_below(root)]
    tables = {path.rpartition(f"/{_LOG_FOLDER}/")[0] + "/" for path, _ in files if f"/{_LOG_FOLDER}/" in path}
    for path, file in files:
        if path not in but and _is_data(path) and not any(path.startswith(inner) for inner in tables):
            status = _status(file)
            if status is not None:
                yield StoredFile(path, *status)


def remove_file(table: str, path: str) -> None:
    """Remove a file of a table, with the checksum that Hadoop keeps beside it."""
    file = place(table, path)
    file.unlink(missing_ok=True)
    file.with_name(f".{file.name}.crc").unlink(missing_ok=True)


def _is_data(path: str) -> bool:
    *folders, name = path.split("/")
    if not name.endswith(".parquet") or name.startswith(("_", ".")):
        return False
    within = folders[1:] if folders[:1] == [_FEED_FOLDER] else folders
    return not any(folder.startswith(("_", ".")) and "=" not in folder for folder in within)


def _status(file: Place) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return int(status.st_size), int(status.st_mtime * 1000)


class _Replay:
    """A log read from its beginning on."""

    def __init__(self, table: str) -> None:
        self.live: dict[str, DataFile] = {}
        self.removed: dict[str, Removal] = {}
        self.told: dict[str, Removal] = {}
        self.cluster_by = False
        self._table, self._root = table, f"{place(table)}/"

    def take(self, version: int) -> None:
        path = place(self._table, _LOG_FOLDER, f"{version:020d}.json")
        try:
            self._apply(version, [json.loads(line) for line in lines_of(path)])
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            message = f"version {version} of the table's log cannot be read: {cause}"
            raise RunError(
                message, where=str(path), hint="restore the file from a backup, or rebuild with --full-refresh"
            ) from cause

    def _apply(self, version: int, actions: Collection[dict[str, Any]]) -> None:
        """What went first: a file that gets or loses a deletion vector goes and comes in one commit."""
        at = next((int(item["commitInfo"].get("timestamp", 0)) for item in actions if "commitInfo" in item), 0)
        for action in actions:
            if "remove" in action:
                removal = action["remove"]
                path = self._path(removal["path"])
                self.live.pop(path, None)
                self.removed[path] = Removal(version, int(removal.get("deletionTimestamp") or at))
            elif "cdc" in action:
                self.told[self._path(action["cdc"]["path"])] = Removal(version, at)
            elif action.get("domainMetadata", {}).get("domain") == _CLUSTERING_DOMAIN:
                self.cluster_by = not action["domainMetadata"].get("removed", False)
        for action in actions:
            if "add" in action:
                file = self._file(action["add"])
                self.live[file.path] = file
                self.removed.pop(file.path, None)

    def _file(self, add: dict[str, Any]) -> DataFile:
        values = tuple(sorted((str(name), value or None) for name, value in (add.get("partitionValues") or {}).items()))
        return DataFile(self._path(add["path"]), int(add["size"]), values, bool(add.get(_CLUSTERED)))

    def _path(self, uri: str) -> str:
        decoded = decode(uri) if "://" in uri or uri.startswith("file:") else unquote(uri)
        return decoded.removeprefix(self._root)
