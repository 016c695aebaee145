"""Spark's own checkpoint, read from outside: which offset an epoch has, and which files stand behind it.

Format (Spark's offset log and file source log): a first line `v1`, then for `offsets/<epoch>` a metadata line and one line
a source, `-` for a source without data yet; for `sources/0/<k>` or `<k>.compact` one JSON object a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from etl.engine.storage.places import place
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.engine.storage.places import Place

_FIRST_SOURCE = 2  # the line of an offset file that tells of the first source


@dataclass(frozen=True, slots=True)
class OffsetLog:
    """What a checkpoint tells of one source of its query; `index` counts the sources in the order of the plan."""

    checkpoint: str
    index: int = 0

    def has(self, epoch: int) -> bool:
        """Whether the epoch was started at all."""
        return place(self.checkpoint, "offsets", str(epoch)).exists()

    def offset(self, epoch: int) -> Any | None:
        """The offset that an epoch reads the source up to; None where it had no data yet, or the epoch is -1."""
        if epoch < 0:
            return None
        path = place(self.checkpoint, "offsets", str(epoch))
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            if lines[0] != "v1":
                raise ValueError(f"unknown format {lines[0]!r}")  # one handler words every damage alike
            offset = lines[_FIRST_SOURCE + self.index]
            parsed = None if offset == "-" else json.loads(offset)
        except (OSError, ValueError, IndexError) as cause:
            message = f"the checkpoint's offsets of epoch {epoch} cannot be read: {cause}"
            raise FlowFailed(message, where=str(path), hint="rebuild the flow with --full-refresh") from cause
        return parsed

    def files(self, after: int, upto: int) -> dict[str, int]:
        """The files of log entries `after` < k ≤ `upto`: absolute decoded path → modification time in ms."""
        folder = place(self.checkpoint, "sources", str(self.index))
        names = _numbered(folder)
        compact = max((int(name.removesuffix(".compact")) for name in names if _is_compact(name)), default=-1)
        chosen = [f"{compact}.compact"] if compact > after else []
        chosen += [
            name for name in names if name.isdigit() and max(after, compact if chosen else -1) < int(name) <= upto
        ]
        times: dict[str, int] = {}
        for name in chosen:
            for entry in _entries(folder / name):
                if after < int(entry["batchId"]) <= upto:
                    times[decode(str(entry["path"]))] = int(entry["timestamp"])
        return times


def watermark(checkpoint: str, epoch: int) -> int:
    """The watermark of an epoch that was offered, in milliseconds since 1970."""
    path = place(checkpoint, "offsets", str(epoch))
    try:
        return int(json.loads(path.read_text(encoding="utf-8").splitlines()[1])["batchWatermarkMs"])
    except (OSError, ValueError, IndexError, KeyError, TypeError) as cause:
        message = f"the checkpoint does not tell the watermark of epoch {epoch}: {cause}"
        raise FlowFailed(message, where=str(path), hint="rebuild the flow with --full-refresh") from cause


def reopen(checkpoint: str, epoch: int) -> None:
    """Let Spark finish its newest epoch once more: only then does it see whether another one without data is due."""
    for name in (str(epoch), f".{epoch}.crc"):
        place(checkpoint, "commits", name).unlink(missing_ok=True)


def forget_unoffered(checkpoint: str, index: int) -> None:
    """Take out of a source's list the files of entries that no epoch has offered.

    A run that died between the two would have Spark bring them together with the next ones, as one epoch, beyond the rate limit.
    """
    log, newest = OffsetLog(checkpoint, index), max(entries(place(checkpoint, "offsets")), default=-1)
    offset = log.offset(newest)
    upto = int(offset["logOffset"]) if isinstance(offset, dict) and "logOffset" in offset else -1
    folder = place(checkpoint, "sources", str(index))
    for path in [folder / name for name in _numbered(folder) if int(name.removesuffix(".compact")) > upto]:
        kept = [entry for entry in _entries(path) if int(entry["batchId"]) <= upto]
        draft = path.with_name(f"_{path.name}")  # a name that nobody takes for an entry
        draft.write_text("\n".join(["v1", *map(json.dumps, kept)]), encoding="utf-8")
        draft.replace(str(path))
        place(checkpoint, "sources", str(index), f".{path.name}.crc").unlink(missing_ok=True)


def _numbered(folder: Place) -> list[str]:
    names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
    return [name for name in names if name.isdigit() or _is_compact(name)]


def entries(folder: Place) -> list[int]:
    """The numbers of a log's entries, ascending."""
    return sorted(int(item.name) for item in folder.iterdir() if item.name.isdigit()) if folder.is_dir() else []


def damage(checkpoint: str) -> str:
    """Why Spark could not go on from a checkpoint, or would in silence go on wrongly, with the file; empty where it can."""
    offsets, commits = place(checkpoint, "offsets"), place(checkpoint, "commits")
    numbers = entries(offsets)
    if not numbers:
        return ""  # no epoch was started, so there is nothing to go on from
    missing = next((item for item in range(numbers[0], numbers[-1]) if item not in numbers), None)
    if missing is not None:
        return f"the checkpoint's offsets have a hole: {offsets / str(missing)} is missing"
    checked = [(place(checkpoint, "metadata"), _metadata)]
    checked += [(offsets / str(item), _offsets) for item in numbers]
    checked += [(commits / str(item), _lines) for item in entries(commits)[-1:]]
    listed = _listed(offsets / str(numbers[-1]))
    logs = {int(item.name) for item in place(checkpoint, "sources").glob("*") if item.name.isdigit()} | listed.keys()
    for index in sorted(logs):
        log = place(checkpoint, "sources", str(index))
        known, compacts = entries(log), [int(item.name.removesuffix(".compact")) for item in log.glob("*.compact")]
        first = max(compacts, default=-1) + 1
        upto = max(max(known, default=0), listed.get(index, -1) + 1)
        lost = next((item for item in range(first, upto) if item not in known), None)
        if lost is not None:
            return f"the checkpoint's list of files has a hole: {log / str(lost)} is missing"
        checked += [(log / f"{item}.compact", _lines) for item in compacts if item == first - 1]
        checked += [(log / str(item), _lines) for item in known if item >= first]
    return next((found for path, check in checked if (found := _unreadable(path, check))), "")


def _listed(offsets: Place) -> dict[int, int]:
    """Of each source of files the newest entry of its list that an epoch's offsets name; none where they cannot be read."""
    found = {}
    try:
        for index, line in enumerate(offsets.read_text(encoding="utf-8").splitlines()[_FIRST_SOURCE:]):
            offset = json.loads(line) if line != "-" else None
            if isinstance(offset, dict) and "logOffset" in offset:
                found[index] = int(offset["logOffset"])
    except (OSError, ValueError, TypeError):
        return {}
    return found


def _unreadable(path: Place, check: Callable[[str], None]) -> str:
    try:
        check(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return f"the checkpoint lacks {path}"
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return f"the checkpoint is damaged: {path} cannot be read"
    return ""


def unreadable_record(path: Place) -> bool:
    """Whether a generation's record is damaged or missing."""
    return bool(_unreadable(path, _record))


def unreadable_metadata(path: Place) -> bool:
    """Whether the file with the query's id is damaged or missing."""
    return bool(_unreadable(path, _metadata))


def unreadable_lines(path: Place) -> bool:
    """Whether an entry of a log, such as `commits/3`, is damaged or missing."""
    return bool(_unreadable(path, _lines))


def unreadable_offsets(path: Place) -> bool:
    """Whether an entry of `offsets` is damaged or missing."""
    return bool(_unreadable(path, _offsets))


def _record(text: str) -> None:
    found = json.loads(text)
    str(found["fingerprint"] + found["kind"] + found["run"])


def _metadata(text: str) -> None:
    str(json.loads(text)["id"])


def _lines(text: str) -> None:
    first, *others = text.splitlines()
    if first != "v1":
        raise ValueError(first)
    for line in others:
        json.loads(line)


def _offsets(text: str) -> None:
    lines = text.splitlines()
    if lines[0] != "v1" or len(lines) < _FIRST_SOURCE + 1:
        raise ValueError(text[:20])
    for line in lines[1:]:
        if line != "-":
            json.loads(line)


def _is_compact(name: str) -> bool:
    return name.endswith(".compact") and name.removesuffix(".compact").isdigit()


def _entries(path: Place) -> list[dict[str, Any]]:
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
