"""What every commit of ours says about itself, and how it is read back from a table's own log.

A commit carries in `commitInfo.userMetadata` the JSON `{"etl": {pipeline, flow, run, generation, epoch, from, to,
fingerprint}}` and, in the same commit, Delta's `txn` action whose id names the generation and whose version is the epoch.
The log's format is Delta's transaction protocol: one file `_delta_log/<version, 20 digits>.json` a commit, an action a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from etl.errors import RunError
from etl.planning.plan import Committed, Kind, Position

_DIGITS = 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a commit came from: the stamp on every table that a flow writes."""

    pipeline: str
    flow: str
    run: str
    generation: int
    epoch: int
    frm: Position | None
    to: Position
    fingerprint: str
    kind: str = "rows"

    @property
    def app_id(self) -> str:
        """Delta's txn id: it names the generation, since epochs start again at 0 with each."""
        return f"etl:{self.pipeline}/{self.flow}/g{self.generation}"

    def dumps(self) -> str:
        """The text of `userMetadata`."""
        stamp = {
            "pipeline": self.pipeline,
            "flow": self.flow,
            "run": self.run,
            "generation": self.generation,
            "epoch": self.epoch,
            "from": self.frm,
            "to": self.to,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
        }
        return json.dumps({"etl": stamp}, separators=(",", ":"), sort_keys=True)

    @classmethod
    def loads(cls, text: str | None) -> Provenance | None:
        """The stamp in `userMetadata`, or None where there is none, or a foreign one."""
        if not text:
            return None
        try:
            stamp = json.loads(text)["etl"]
            return cls(
                pipeline=str(stamp["pipeline"]),
                flow=str(stamp["flow"]),
                run=str(stamp["run"]),
                generation=int(stamp["generation"]),
                epoch=int(stamp["epoch"]),
                frm=stamp["from"],
                to=stamp["to"],
                fingerprint=str(stamp["fingerprint"]),
                kind=str(stamp.get("kind", "rows")),
            )
        except (ValueError, KeyError, TypeError):
            return None


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
    schema: str = ""  # the table's, as this commit says it anew; empty where it leaves the schema alone

    @property
    def data_change(self) -> bool:
        """Whether rows came or went: false for OPTIMIZE, VACUUM and changes of properties."""
        return bool(self.added or self.removed)


def log_versions(table: str) -> list[int]:
    """The versions whose commit files are still in the log, ascending; empty where there is no table."""
    folder = Path(table, "_delta_log")
    if not folder.is_dir():
        return []
    return sorted(
        int(item.stem)
        for item in folder.iterdir()
        if item.suffix == ".json" and len(item.stem) == _DIGITS and item.stem.isdigit()
    )


def read_commit(table: str, version: int) -> Commit:
    """One commit of a table's log; RunError where the file is damaged."""
    path = Path(table, "_delta_log", f"{version:0{_DIGITS}d}.json")
    info: dict[str, Any] = {}
    txn: dict[str, int] = {}
    added = removed = 0
    schema = ""
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                action = json.loads(line)
                if "commitInfo" in action:
                    info = action["commitInfo"]
                elif "txn" in action:
                    txn[str(action["txn"]["appId"])] = int(action["txn"]["version"])
                elif "add" in action:
                    added += bool(action["add"].get("dataChange", True))
                elif "metaData" in action:
                    schema = str(action["metaData"].get("schemaString", ""))
                elif "remove" in action:
                    removed += bool(action["remove"].get("dataChange", True))
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
        added=added,
        removed=removed,
        schema=schema,
        metrics={str(k): str(v) for k, v in (info.get("operationMetrics") or {}).items()},
    )


def commits(table: str, *, newest_first: bool = False) -> Iterator[Commit]:
    """The commits still in the log, one at a time."""
    versions = log_versions(table)
    for version in reversed(versions) if newest_first else versions:
        yield read_commit(table, version)


def read_log(table: str) -> tuple[Commit, ...]:
    """Every commit still in the log, ascending; empty where there is no table."""
    return tuple(commits(table))


def last_stamp(table: str) -> tuple[int, Provenance] | None:
    """The newest commit of ours on a table: its version and stamp; None where there is none."""
    for commit in commits(table, newest_first=True):
        if commit.stamp is not None:
            return commit.version, commit.stamp
    return None


def last_committed(table: str) -> Committed | None:
    """The newest epoch in a target, from its own log; None where nothing of ours was committed."""
    found = last_stamp(table)
    if found is None:
        return None
    version, stamp = found
    return Committed(
        version=version,
        generation=stamp.generation,
        epoch=stamp.epoch,
        to=stamp.to,
        fingerprint=stamp.fingerprint,
        kind=cast("Kind", stamp.kind) if stamp.kind in get_args(Kind) else "rows",
        run=stamp.run,
    )
