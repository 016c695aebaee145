"""Where files lie: on a local file system, which `pathlib.Path` is, or in a bucket of an object store.

Everything that the engine reads and writes by itself goes through `place`, so that a plan, an audit and a decision work in either without
a JVM. What Spark reads and writes it is given as text.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from etl.config.object_uris import is_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.engine.storage.object_store import ObjectPlace


class Status(Protocol):
    """What is told of a file besides its content; `os.stat_result` is one."""

    @property
    def st_size(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_mtime(self) -> float: ...
    @property
    def st_mtime_ns(self) -> int: ...


class Place(Protocol):
    """The part of `pathlib.Path` that the engine uses; folders of an object store are there as soon as something is in them."""

    @property
    def name(self) -> str: ...
    @property
    def stem(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def parent(self) -> Place: ...
    def __truediv__(self, key: str, /) -> Place: ...
    def with_name(self, name: str) -> Place: ...
    def exists(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...
    def iterdir(self) -> Iterator[Place]: ...
    def glob(self, pattern: str) -> Iterator[Place]: ...
    def stat(self) -> Status: ...
    def read_text(self, encoding: str | None = None) -> str: ...
    def read_bytes(self) -> bytes: ...
    def write_text(self, data: str, encoding: str | None = None) -> int: ...
    def touch(self) -> None: ...
    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None: ...  # noqa: FBT001, FBT002  # pathlib's own
    def replace(self, target: str) -> Place: ...
    def unlink(self, missing_ok: bool = False) -> None: ...  # noqa: FBT001, FBT002  # pathlib's own


def place(first: str | Place, *more: str) -> Place:
    """The place that a path or the URI of an object names, with `more` below it."""
    below: Place = first if not isinstance(first, str) else _named(first)
    for part in more:
        below = below / part
    return below


def _named(text: str) -> Place:
    if not is_object(text):
        return Path(text)
    from etl.engine.storage.object_store import ObjectPlace  # noqa: PLC0415  # only who stores in one needs its library

    return ObjectPlace.of(text)


def lines_of(file: Place) -> Iterator[str]:
    """The lines of a text in UTF-8, without what ends them: a line feed, and nothing else that a value may hold."""
    if isinstance(file, Path):
        with file.open(encoding="utf-8", newline="\n") as lines:
            yield from (line.rstrip("\n") for line in lines)
    else:
        text = file.read_text(encoding="utf-8")
        yield from text.removesuffix("\n").split("\n") if text else []


def tail_of(file: Place, length: int) -> bytes:
    """The last bytes of a file, or all of one that is shorter."""
    if isinstance(file, Path):
        with file.open("rb") as content:
            content.seek(-min(length, content.seek(0, os.SEEK_END)), os.SEEK_END)
            return content.read()
    return cast("ObjectPlace", file).tail(length)


def files_below(folder: Place) -> Iterator[Place]:
    """Every file in a folder and in those below it, hidden ones too; none where there is no such folder."""
    if isinstance(folder, Path):
        for above, _, names in os.walk(folder):
            yield from (Path(above, name) for name in names)
    else:
        yield from cast("ObjectPlace", folder).files()


def remove_tree(folder: Place) -> None:
    """Remove a folder and what is in it; what cannot be removed stays."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
        return
    for file in files_below(folder):
        file.unlink(missing_ok=True)
