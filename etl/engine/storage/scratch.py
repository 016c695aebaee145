"""Folders that are thrown away, also where a signal ends the process at once."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from pathlib import Path

_FOLDERS: set[Path] = set()
_PAUSES_S = (0.01, 0.05, 0.2, 0.2)


def scratch_folder(prefix: str, *, within: Path | None = None) -> Path:
    """A new, empty folder, which the end of the process removes if nobody has by then. `within`: where; by default where the system has such."""
    if not _FOLDERS:
        atexit.register(remove_all)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=within))
    _FOLDERS.add(folder)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder that `scratch_folder` has made; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
    _FOLDERS.discard(folder)


def remove_all() -> None:
    """Remove whatever was made and is still there."""
    folders = tuple(_FOLDERS)
    for pause in _PAUSES_S:
        for folder in folders:
            remove(folder)
        if not any(folder.exists() for folder in folders):
            break
        time.sleep(pause)  # a thread that does not know yet that all is over has made one again
