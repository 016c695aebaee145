"""How much a Delta table holds, as its own log tells: no file of data is opened."""

from __future__ import annotations

import json
from dataclasses import dataclass

from etl.engine.metadata.delta_log import log_versions
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import lines_of, place

_MOST_COMMITS = 1000


@dataclass(frozen=True, slots=True)
class TableSize:
    """The files of a table's newest version, their bytes, and their rows; None: the log does not tell."""

    files: int | None = None
    bytes: int | None = None
    rows: int | None = None


def table_size(table: str) -> TableSize:
    """The size of a table's newest version; unknown where its log is damaged, or was cleaned and left no sum."""
    versions = log_versions(table)
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
                stats = json.loads(action["add"].get("stats") or "{}")
                sizes[action["add"]["path"]] = int(action["add"]["size"]), stats.get("numRecords")
            elif "remove" in action:
                sizes.pop(action["remove"]["path"], None)
    rows = [count for _, count in sizes.values()]
    known = [count for count in rows if count is not None]
    return TableSize(
        len(sizes), sum(size for size, _ in sizes.values()), sum(known) if len(known) == len(rows) else None
    )
