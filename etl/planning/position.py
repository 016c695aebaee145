"""How far an input has been read, and how the input has moved since.

A position is JSON: for files `{"files": n, "digest": hex}` (the digest is a sum, so that it grows with each file and does
not depend on their order), for a Delta table `{"version": v}`, or `{"version": v, "within": w, "index": i}` where a
rate limit stopped inside version w.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODULUS = 1 << 128

Position: TypeAlias = Mapping[str, Any]
"""Input → how far it has been read; JSON all the way down."""

Moved = Literal["same", "more", "rewritten", "lost"]


@dataclass(frozen=True, slots=True)
class Pin:
    """A moment of an input, held fast: how far it goes, and for files the list behind its digest (absolute path → modification time in ms)."""

    position: Mapping[str, Any]
    files: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """How an input differs from what a flow has read of it.

    same: nothing new. more: only additions. rewritten: what was read has changed, but is all there to be read again.
    lost: some of what was read can no longer be read.
    """

    moved: Moved
    detail: str = ""  # for a person: "12 new files", "2 files (a.csv, b.csv) are gone"
    new: bool = False  # whether there is also something that was never read
    gone: tuple[str, ...] = ()  # the files that are lost, where they are known by name
    rewritten: str = ""  # lost: what of the rest has changed, so that a stream cannot go on either


def file_digest(files: Iterable[tuple[str, int]]) -> int:
    """The order-free digest of (relative path, modification time in ms): the sum of their SHA-256 modulo 2^128."""
    total = 0
    for name, modified in files:
        total += int.from_bytes(hashlib.sha256(f"{name}\0{modified}".encode()).digest()[:16], "big")
    return total % _MODULUS


def files_position(files: Mapping[str, int]) -> dict[str, Any]:
    """The position after reading exactly `files`, relative path → modification time in ms."""
    return {"files": len(files), "digest": f"{file_digest(files.items()):032x}"}


def advance_files(before: Mapping[str, Any] | None, added: Mapping[str, int]) -> dict[str, Any]:
    """The position after also reading `added`."""
    count = int(before["files"]) if before else 0
    digest = int(before["digest"], 16) if before else 0
    return {
        "files": count + len(added),
        "digest": f"{(digest + file_digest(added.items())) % _MODULUS:032x}",
    }


def file_drift(read: Mapping[str, int], now: Mapping[str, int]) -> Drift:
    """Compare the files that were read with those that lie there now, both relative path → modification time."""
    gone = sorted(read.keys() - now.keys())
    rewritten = sorted(name for name in read.keys() & now.keys() if read[name] != now[name])
    new = len(now.keys() - read.keys())
    changed = (
        f"{_some(rewritten)} {'was' if len(rewritten) == 1 else 'were'} rewritten after being read" if rewritten else ""
    )
    if gone:
        told = f"{_some(gone)} {'is' if len(gone) == 1 else 'are'} gone"
        return Drift("lost", f"{told}, {changed}" if changed else told, new=new > 0, rewritten=changed)
    if rewritten:
        return Drift("rewritten", changed, new=new > 0)
    if new:
        return Drift("more", f"{new} new file{'s' if new > 1 else ''}", new=True)
    return Drift("same")


def unlisted_drift(count: int, digest: str, now: Mapping[str, int], *, streamed: bool) -> Drift:
    """Compare the files that were read, of which only number and digest are known, with those that lie there now.

    Files are read as they land, so those that were read should be the oldest; the digest proves it.
    """
    oldest = dict(sorted(now.items(), key=lambda item: (item[1], item[0]))[:count])
    if files_position(oldest) == {"files": count, "digest": digest}:
        new = len(now) - count
        return Drift("more", f"{new} new file{'s' if new > 1 else ''}", new=True) if new else Drift("same")
    if len(now) < count:
        return Drift("lost", f"{count - len(now)} of {count} files {'is' if count - len(now) == 1 else 'are'} gone")
    if streamed:
        told = f"the list of the {count} files that were read is lost, and some of them are gone or have changed"
        return Drift("lost", told, new=True)
    return Drift("rewritten", "the files have changed", new=True)


_SHOWN = 3


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} file{'s' if len(names) > 1 else ''} ({shown}{more})"
