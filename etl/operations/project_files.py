"""The files of a new project: all of them there, or none, however the writing ends."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from etl.engine.storage.scratch import remove, scratch_folder
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DRAFT = ".etl-init-"


def write_all(root: Path, files: Mapping[str, str]) -> None:
    """Write files, by their paths below `root`, that are not there; where that fails, or is interrupted, none of them is.

    A new folder appears whole. In one that is there each file does, in the order given: what makes the others a project comes last, and
    what `kill -9` leaves then is taken for what it is by `is_there`. FileExistsError where somebody else has written one meanwhile.
    """
    made: list[Path] = []  # in the order in which it was made
    try:
        if root.exists():
            _join(root, files, made)
        else:
            _appear(root, files, made)
    except BaseException as cause:
        for path in reversed(made):
            with contextlib.suppress(OSError):  # a folder in which somebody else has put something by now stays
                path.rmdir() if path.is_dir() else path.unlink()
        if isinstance(cause, OSError) and not isinstance(cause, FileExistsError):
            what = f"{cause.filename or root} cannot be written: {cause.strerror}"
            raise EnvironmentProblem(f"{what}; nothing was written", hint="choose another folder") from cause
        raise


def is_there(path: Path, text: str) -> bool:
    """Whether a file holds that text already, as one that was killed while it wrote a project has left it."""
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _appear(root: Path, files: Mapping[str, str], made: list[Path]) -> None:
    _make_folders(root.parent, made)
    with _draft(root.parent) as draft:
        for file, text in files.items():
            _write(draft / root.name / file, text)
        (draft / root.name).rename(root)


def _join(root: Path, files: Mapping[str, str], made: list[Path]) -> None:
    with _draft(root) as draft:
        for file, text in files.items():
            _write(draft / file, text)
        for file in files:
            _make_folders((root / file).parent, made)
            _put(draft / file, root / file)
            made.append(root / file)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _put(draft: Path, path: Path) -> None:
    """Bring a whole file to its place, where there is none."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with path.open("xb") as out:
            out.write(draft.read_bytes())


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        made.append(path)


@contextlib.contextmanager
def _draft(beside: Path) -> Iterator[Path]:
    folder = scratch_folder(_DRAFT, within=beside)
    try:
        yield folder
    finally:
        remove(folder)
