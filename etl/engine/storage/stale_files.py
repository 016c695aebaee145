"""What a run that was killed has left in a flow's folders and nobody needs; the next one that holds the flow's lock takes it away.

Only drafts, and what runs say to themselves: never a table's data, a generation or its record. Data files that no commit names are
Delta's own to keep and to vacuum.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.storage.json_files import is_draft, sweep_draft
from etl.engine.storage.places import files_below, place

if TYPE_CHECKING:
    from etl.engine.storage.layout import FlowPaths

Seen = Mapping[str, tuple[int, int, int]]
"""Drafts in the logs of a flow's tables, and what tells each from a later one: inode, size, time of its last change."""


def sweep_checkpoints(paths: FlowPaths) -> None:
    """Take away drafts, requests to stop and failures that nobody took, and folders of generations that were never opened.

    All of it belongs to runs that held the flow's lock, so for the one that holds it now none of it is alive.
    """
    root = place(paths.checkpoints)
    for file in files_below(root):
        if is_draft(file.name):
            sweep_draft(file)
        elif (
            _is_spark_draft(file.name)
            or (file.parent.name == "etl" and file.name.startswith(("stop-", "failure-")))
            or (file.parent == root and file.name.startswith("lock-"))  # by which a store was tried
        ):
            file.unlink(missing_ok=True)
    for folder in root.iterdir():
        if isinstance(folder, Path) and folder.is_dir():
            with contextlib.suppress(OSError):  # it is a generation with something in it
                folder.rmdir()


def table_drafts(paths: FlowPaths) -> Seen:
    """The drafts of commits and checkpoints that stand in the logs of the flow's tables now; some may be of live writers.

    A target has other writers than ours, who hold no lock of ours. A draft of theirs becomes a commit in a moment.
    """
    drafts = {}
    for table in (paths.target, paths.quarantine, paths.state):
        with contextlib.suppress(FileNotFoundError):
            for file in place(table, "_delta_log").iterdir():
                if _is_spark_draft(file.name) and (mark := _mark(str(file))) is not None:
                    drafts[str(file)] = mark
    return drafts


def sweep_stale_drafts(seen: Seen) -> None:
    """Take away those drafts that stand as they stood when they were seen, which was a while ago: their writers are dead."""
    for path, mark in seen.items():
        if _mark(path) == mark:
            place(path).unlink(missing_ok=True)


def _is_spark_draft(name: str) -> bool:
    """`.<name>.<uuid>.tmp`, as Spark and Delta name what they are about to rename, and the sum that Hadoop keeps beside it."""
    return name.startswith(".") and name.endswith((".tmp", ".tmp.crc"))


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        status = place(path).stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
