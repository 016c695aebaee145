"""What only a run under way may have in storage: after a run that ended, whatever died before it, there is none of it."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from tests.support.independent import stamps


def left_behind(storage: Path) -> list[str]:
    """Everything in storage that no reader and no later run needs: drafts, locks, requests, failures, staging, generations without a table.

    Data files that no commit names are not among it: they are Delta's, which keeps them for readers of older versions and VACUUM removes
    them; nor are older generations, which are superseded and kept.
    """
    found = [item for item in storage.rglob("*") if _is_draft(item)]
    found += [item for kind in ("stop-*", "failure-*") for item in storage.rglob(f"checkpoints/*/*/g*/etl/{kind}")]
    found += [item for item in storage.rglob("checkpoints/*/*/lock") if item.read_bytes() or _is_held(item)]
    found += [item for item in storage.glob("checkpoints/*/*/g*") if _is_orphan(storage, item)]
    return sorted(str(item.relative_to(storage)) for item in found)


def _is_draft(item: Path) -> bool:
    """A name that no reader looks at, other than the checksum of a file that is there."""
    if item.name.startswith(".") and item.name.endswith(".crc"):
        return not item.with_name(item.name[1:-4]).exists()
    return item.name.startswith(".") or item.name.endswith(".tmp") or item.name in ("_temporary", "_staging")


def _is_held(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _is_orphan(storage: Path, generation: Path) -> bool:
    """A generation that nobody knows, or newer than what its target holds; one that was abandoned is kept like those that are superseded."""
    record, number = generation / "generation.json", int(generation.name[1:])
    if not record.exists() or (fields := json.loads(record.read_text(encoding="utf-8")))["generation"] != number:
        return True
    if fields.get("abandoned"):
        return (generation / "etl" / "held").exists()
    table = storage / "tables" / generation.parent.relative_to(storage / "checkpoints")
    held = [stamp["generation"] for stamp in stamps(table) if stamp]
    return not held or number > held[-1]
