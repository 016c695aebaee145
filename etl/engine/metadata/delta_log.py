"""A Delta table's own log, read as files: its commits, those that made what it holds now, and the newest of ours.

The log's format is Delta's transaction protocol: one file `_delta_log/<version, 20 digits>.json` a commit, an action a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etl.engine.metadata.provenance import Provenance
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import lines_of, place
from etl.errors import RunError
from etl.planning.plan import Committed

_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a Delta table, as its own log tells it."""

    version: int
    timestamp_ms: int
    operation: str
    stamp: Provenance | None
    txn: Mapping[str, int] = field(default_factory=dict)
    added: int = 0  # files whose rows are new
    removed: int = 0  # files whose rows are gone
    metrics: Mapping[str, str] = field(default_factory=dict)
    schema: str = ""  # the table's, as this commit sets it; empty where it leaves the schema alone
    table_id: str = ""  # likewise
    properties: Mapping[str, str] | None = (
        None  # the table's, as this commit sets them; None where it leaves them alone
    )
    restored: int | None = None  # the version that a RESTORE went back to, where it says
    files: tuple[str, ...] = ()  # those with new rows, as the log spells them
    gone: tuple[str, ...] = ()  # those whose rows are gone
    told: tuple[str, ...] = ()  # those of the change feed, where it has files of its own
    moved: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # files that came and went with rows that are the same

    @property
    def every_file(self) -> tuple[str, ...]:
        """The files that came, with new rows or with rows that were there."""
        return (*self.files, *self.moved[0])

    @property
    def every_gone(self) -> tuple[str, ...]:
        """The files that went, whether their rows did or not."""
        return (*self.gone, *self.moved[1])

    @property
    def data_change(self) -> bool:
        """Whether rows came or went: false for OPTIMIZE, VACUUM and changes of properties."""
        return bool(self.added or self.removed)

    @property
    def is_maintenance(self) -> bool:
        """Whether this is maintenance of ours: no epoch, and its stamp is that of the commit before it."""
        return self.stamp is not None and self.stamp.maintenance is not None

    @property
    def rolls_back(self) -> bool:
        """Whether this is a rollback of ours, which says so; anybody else's RESTORE has no stamp."""
        return self.operation == "RESTORE" and self.stamp is not None


def log_versions(table: str) -> list[int]:
    """The versions whose commit files are still in the log, ascending; empty where there is no table."""
    folder = place(table, "_delta_log")
    if not folder.is_dir():
        return []
    return sorted(
        int(item.stem)
        for item in folder.iterdir()
        if item.suffix == ".json" and len(item.stem) == _DIGITS and item.stem.isdigit()
    )


def read_commit(table: str, version: int) -> Commit:
    """One commit of a table's log; RunError where the file is damaged."""
    path = place(table, "_delta_log", f"{version:0{_DIGITS}d}.json")
    info: dict[str, Any] = {}
    txn: dict[str, int] = {}
    added: list[str] = []
    removed: list[str] = []
    told: list[str] = []
    came: list[str] = []
    went: list[str] = []
    schema = table_id = ""
    properties: dict[str, str] | None = None
    try:
        for line in lines_of(path):
            action = json.loads(line)
            if "commitInfo" in action:
                info = action["commitInfo"]
            elif "txn" in action:
                txn[str(action["txn"]["appId"])] = int(action["txn"]["version"])
            elif "add" in action:
                (added if action["add"].get("dataChange", True) else came).append(str(action["add"]["path"]))
            elif "metaData" in action:
                schema = str(action["metaData"].get("schemaString", ""))
                table_id = str(action["metaData"].get("id", ""))
                properties = dict(action["metaData"].get("configuration") or {})
            elif "remove" in action:
                (removed if action["remove"].get("dataChange", True) else went).append(str(action["remove"]["path"]))
            elif "cdc" in action:
                told.append(str(action["cdc"]["path"]))
        restored = (
            (info.get("operationParameters") or {}).get("version") if info.get("operation") == "RESTORE" else None
        )
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        message = f"version {version} of the table's log cannot be read: {cause}"
        raise RunError(
            message, where=str(path), hint="restore the file from a backup, or rebuild with --full-refresh"
        ) from cause
    return Commit(
        version=version,
        timestamp_ms=int(info.get("timestamp", 0)),
        operation=str(info.get("operation", "?")),
        stamp=Provenance.loads(info.get("userMetadata")),
        txn=txn,
        added=len(added),
        removed=len(removed),
        schema=schema,
        table_id=table_id,
        properties=properties,
        restored=int(str(restored)) if str(restored).isdigit() else None,
        files=tuple(added),
        gone=tuple(removed),
        told=tuple(told),
        moved=(tuple(came), tuple(went)),
        metrics={str(k): str(v) for k, v in (info.get("operationMetrics") or {}).items()},
    )


def commits(table: str, *, newest_first: bool = False) -> Iterator[Commit]:
    """The commits still in the log, one at a time."""
    versions = log_versions(table)
    for version in reversed(versions) if newest_first else versions:
        yield read_commit(table, version)


def schema_of(table: str) -> str:
    """The schema of a table as Spark's JSON; empty where its log does not tell."""
    for version in reversed(log_versions(table)):
        try:  # a sum may be cut off, or was never written; Delta does without it, too
            known = read_json(place(table, "_delta_log", f"{version:0{_DIGITS}d}.crc")) or {}
            return str(known["metadata"]["schemaString"])
        except (ValueError, KeyError, TypeError):
            pass
        schema = read_commit(table, version).schema
        if schema:
            return schema
    return ""


def read_log(table: str) -> tuple[Commit, ...]:
    """Every commit still in the log, ascending; empty where there is no table."""
    return tuple(commits(table))


def effective_history(table: str) -> Iterator[Commit]:
    """The commits that made what a table holds now, newest first: a RESTORE leads to the version that it went back to.

    One that went back to a time leads nowhere: which version that was is not in the log.
    """
    versions = log_versions(table)
    upto: int | None = versions[-1] if versions else None
    while upto is not None:
        versions = [version for version in versions if version <= upto]
        if not versions:
            return
        commit = read_commit(table, versions.pop())
        yield commit
        upto = commit.restored if commit.operation == "RESTORE" else commit.version - 1


def last_stamp(table: str) -> Provenance | None:
    """The stamp of the newest commit of ours in what a table holds now; None where there is none."""
    return next((commit.stamp for commit in effective_history(table) if commit.stamp is not None), None)


def last_committed(table: str) -> Committed | None:
    """The newest epoch in a target, from its own log; None where nothing of ours was committed."""
    for commit in effective_history(table):
        if commit.stamp is not None:
            return as_committed(commit.version, commit.stamp)
    return None


def as_committed(version: int, stamp: Provenance) -> Committed:
    """What a stamp says was committed at a version of a table."""
    return Committed(
        version=version,
        generation=stamp.generation,
        epoch=stamp.epoch,
        to=stamp.to,
        fingerprint=stamp.fingerprint,
        kind=stamp.kind,
        run=stamp.run,
        rolled_back_upto=stamp.rolled_back_upto,
    )
