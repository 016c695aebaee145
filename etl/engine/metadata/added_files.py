"""The files that versions of a Delta table added, where nothing but the files says what their rows are. No JVM.

Delta's transaction protocol: `add` actions of `_delta_log/<version>.json`; metadata and protocol of a version from its `.crc`, or from the newest `metaData` and `protocol` actions.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etl.config.object_uris import is_object
from etl.engine.metadata.offset_log import decode
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import lines_of, place

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_COMMITS = 100  # that are looked through for what defines a table
# What a reader must know of a table whose files tell their rows all the same, as long as no `add` has a deletion vector.
_PLAIN = frozenset({"deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})


def added_files(table: str, after: int, upto: int) -> tuple[str, ...] | None:
    """The absolute paths of the files that versions `after` < v ≤ `upto` of a local table added.

    None where a file does not tell its rows by itself (partitions, mapped columns, deletion vectors, types that were widened), where a version
    changed the table's columns, and where the log does not say.
    """
    try:
        if is_object(table) or not _is_plain(_definition(table, upto)):
            return None
        files = [path for version in range(after + 1, upto + 1) for path in _added(table, version)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(str(place(table, decode(path) if path.startswith("file:") else unquote(path))) for path in files)


def schema_at(table: str, version: int) -> dict[str, Any]:
    """The schema of a version, as Spark's JSON. KeyError, TypeError or ValueError where the log does not say."""
    found: dict[str, Any] = json.loads(_definition(table, version)["metadata"]["schemaString"])
    return found


def _definition(table: str, version: int) -> dict[str, Any]:
    """The metadata and the protocol of a version: from its checksum, which writers other than Spark leave out, or from the newest commits with them."""
    known: dict[str, Any] = read_json(place(table, "_delta_log", f"{version:020d}.crc")) or {}
    found: dict[str, Any] = {name: known[name] for name in ("metadata", "protocol") if name in known}
    for earlier in range(version, max(version - _MOST_COMMITS, -1), -1):
        if len(found) == 2:  # noqa: PLR2004  # both
            break
        for action in map(json.loads, lines_of(place(table, "_delta_log", f"{earlier:020d}.json"))):
            for name, key in (("metadata", "metaData"), ("protocol", "protocol")):
                if key in action:
                    found.setdefault(name, action[key])
    return found


def _is_plain(definition: dict[str, Any]) -> bool:
    metadata, protocol = definition["metadata"], definition["protocol"]
    mapping = (metadata.get("configuration") or {}).get("delta.columnMapping.mode", "none")
    features = set(protocol.get("readerFeatures") or ())
    return not metadata.get("partitionColumns") and mapping == "none" and features <= _PLAIN


def _added(table: str, version: int) -> Iterator[str]:
    for line in lines_of(place(table, "_delta_log", f"{version:020d}.json")):
        action = json.loads(line)
        if "metaData" in action or "protocol" in action or (action.get("add") or {}).get("deletionVector"):
            message = f"version {version} changed more than rows"
            raise ValueError(message)
        if action.get("add", {}).get("dataChange"):
            yield str(action["add"]["path"])
