"""Folders that are thrown away, also where a signal ends the process at once."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path

_FOLDERS: set[Path] = set()


def scratch_folder(prefix: str) -> Path:
    """A new, empty folder, which the end of the process removes if nobody has by then."""
    if not _FOLDERS:
        atexit.register(remove_all)
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    _FOLDERS.add(folder)
    return folder


def remove(folder: Path) -> None:
    """Remove a folder that `scratch_folder` has made; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)
    _FOLDERS.discard(folder)


def remove_all() -> None:
    """Remove whatever was made and is still there."""
    for folder in tuple(_FOLDERS):
        remove(folder)
