"""Spark's own checkpoint, read from outside: which offset an epoch has, and which files stand behind it.

Format (Spark's offset log and file source log): a first line `v1`, then for `offsets/<epoch>` a metadata line and one line
a source, `-` for a source without data yet; for `sources/0/<k>` or `<k>.compact` one JSON object a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from etl.errors import FlowFailed


@dataclass(frozen=True, slots=True)
class SourceLog:
    """What a checkpoint tells of one source of its query; `index` counts the sources in the order of the plan."""

    checkpoint: str
    index: int = 0

    def has(self, epoch: int) -> bool:
        """Whether the epoch was started at all."""
        return Path(self.checkpoint, "offsets", str(epoch)).exists()

    def offset(self, epoch: int) -> Any | None:
        """The offset that an epoch reads the source up to; None where it had no data yet, or the epoch is -1."""
        if epoch < 0:
            return None
        path = Path(self.checkpoint, "offsets", str(epoch))
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            if lines[0] != "v1":
                raise ValueError(f"unknown format {lines[0]!r}")  # one handler words every damage alike
            offset = lines[2 + self.index]
            found = None if offset == "-" else json.loads(offset)
        except (OSError, ValueError, IndexError) as cause:
            message = f"the checkpoint's offsets of epoch {epoch} cannot be read: {cause}"
            raise FlowFailed(message, where=str(path), hint="rebuild the flow with --full-refresh") from cause
        return found

    def files(self, after: int, upto: int) -> dict[str, int]:
        """The files of log entries `after` < k ≤ `upto`: absolute decoded path → modification time in ms."""
        folder = Path(self.checkpoint, "sources", str(self.index))
        names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
        compact = max((int(name.removesuffix(".compact")) for name in names if _is_compact(name)), default=-1)
        wanted = [f"{compact}.compact"] if compact > after else []
        wanted += [
            name for name in names if name.isdigit() and max(after, compact if wanted else -1) < int(name) <= upto
        ]
        found: dict[str, int] = {}
        for name in wanted:
            for entry in _entries(folder / name):
                if after < int(entry["batchId"]) <= upto:
                    found[decode(str(entry["path"]))] = int(entry["timestamp"])
        return found


def _is_compact(name: str) -> bool:
    return name.endswith(".compact") and name.removesuffix(".compact").isdigit()


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if lines[0] != "v1":
            raise ValueError(f"unknown format {lines[0]!r}")  # one handler words every damage alike
        return [json.loads(line) for line in lines[1:]]
    except (OSError, ValueError, IndexError) as cause:
        message = f"the checkpoint's list of files cannot be read: {cause}"
        raise FlowFailed(message, where=str(path), hint="rebuild the flow with --full-refresh") from cause


def decode(uri: str) -> str:
    """One spelling for a local file: `file:///a%20b`, `file:/a%20b` and `/a b` are all `/a b`."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme == "file" else uri
