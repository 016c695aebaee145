"""How much a Delta table holds, as its own log tells: no file of data is opened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from etl.engine.metadata.delta_log import log_versions
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import lines_of, place

_MOST_COMMITS = 1000


@dataclass(frozen=True, slots=True)
class TableSize:
    """The files of a table's version, their bytes, and their rows less those that are deleted; None: the log does not tell."""

    files: int | None = None
    bytes: int | None = None
    rows: int | None = None


def table_size(table: str, version: int | None = None) -> TableSize:
    """The size of a table's newest version, or another `version`; unknown where its log is damaged, or was cleaned and left no sum."""
    versions = [known for known in log_versions(table) if version is None or known <= version]
    try:
        if versions and versions[0] == 0 and len(versions) <= _MOST_COMMITS:
            return _replayed(table, versions)
        known = read_json(place(table, "_delta_log", f"{versions[-1]:020d}.crc")) if versions else None
        return TableSize(int(known["numFiles"]), int(known["tableSizeBytes"])) if known else TableSize()
    except (ValueError, KeyError, TypeError, AttributeError):
        return TableSize()


def _replayed(table: str, versions: list[int]) -> TableSize:
    """By every commit since the first: what each added and none after it removed."""
    sizes: dict[str, tuple[int, int | None]] = {}
    for version in versions:
        for line in lines_of(place(table, "_delta_log", f"{version:020d}.json")):
            action = json.loads(line)
            if "add" in action:
                sizes[action["add"]["path"]] = int(action["add"]["size"]), _rows(action["add"])
            elif "remove" in action:
                sizes.pop(action["remove"]["path"], None)
    rows = [count for _, count in sizes.values()]
    known = [count for count in rows if count is not None]
    return TableSize(
        len(sizes), sum(size for size, _ in sizes.values()), sum(known) if len(known) == len(rows) else None
    )


def _rows(add: dict[str, Any]) -> int | None:
    """The rows of a file that are not deleted; None: its statistics do not tell."""
    rows = json.loads(add.get("stats") or "{}").get("numRecords")
    deleted = (add.get("deletionVector") or {}).get("cardinality", 0)
    return None if rows is None else int(rows) - int(deleted)
