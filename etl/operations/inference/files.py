"""Files of the user's that a schema can be learned from: which there are, how each is stored, and its beginning as text."""

from __future__ import annotations

import bz2
import codecs
import glob
import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from etl.config.diagnostics import Diagnostic
from etl.config.document.document import shown
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FORMATS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
_PACKED = (".gz", ".bz2")
_MOST_FILES = 64
_TOTAL, _LEAST = 4_000_000, 64_000  # bytes looked at: in all, and at least of one file


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The files under one path: all of one format.

    Attributes:
        root: Absolute: a file, a folder or a glob.
        beside: Visible files of the same folder that are of no known format.
    """

    root: str
    format: str
    files: tuple[str, ...]
    beside: frozenset[str]

    @property
    def sampled(self) -> tuple[str, ...]:
        """The files that are looked into: all, or some from everywhere among many."""
        distance = max(1, -(-len(self.files) // _MOST_FILES))
        return self.files[::distance]


@dataclass(frozen=True, slots=True)
class Beginning:
    """A file's first bytes as text.

    Attributes:
        whole: Whether that is all of the file.
        encoding: Empty: UTF-8.
    """

    text: str
    whole: bool
    encoding: str = ""


def refuse(what: str, hint: str = "") -> NoReturn:
    """Raise ConfigurationError, since nothing can be learned from what `--from` names."""
    raise ConfigurationError([Diagnostic("E131", what, hint=hint)])


def find_files(path: str) -> SourceFiles:
    """The files that `path` means; ConfigurationError where there are none, or of several formats."""
    root = os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111  # a glob is no Path
    name = _shown(root)
    if Path(root, "_delta_log").is_dir():
        return SourceFiles(root, "delta", (), frozenset())
    if Path(root).exists():
        files = [root] if Path(root).is_file() else sorted(_walk(root))
    else:
        files = sorted(
            file for file in glob.glob(root) if Path(file).is_file() and not Path(file).name.startswith((".", "_"))
        )
        if not files:
            refuse(f"there is nothing at {name}", "give a file, a folder or a glob of csv, json or parquet files")
    kinds = {file: format_of(file) for file in files}
    formats = sorted({kind for kind in kinds.values() if kind})
    if not formats:
        below = (
            sorted(folder.name for folder in Path(root).glob("*/") if folder.is_dir()) if Path(root).is_dir() else []
        )
        hint = (
            f"look into a folder below it: {', '.join(below[:5])}"
            if below and not files
            else f"known are {', '.join(FORMATS)}, also with .gz or .bz2"
        )
        refuse(f"there is no csv, json or parquet file at {name}", hint)
    if len(formats) > 1:
        refuse(
            f"{name} holds files of several formats: {', '.join(formats)}",
            f"name one of them with a glob, such as '{path.rstrip('/')}/*.{formats[0]}'",
        )
    chosen = tuple(file for file in files if kinds[file])
    return SourceFiles(root, formats[0], chosen, frozenset(file for file in files if not kinds[file]))


def format_of(file: str) -> str | None:
    """The format that a file's name tells."""
    stem = file.lower()
    for suffix in _PACKED:
        stem = stem.removesuffix(suffix)
    return next((kind for suffix, kind in FORMATS.items() if stem.endswith(suffix)), None)


def beginning(file: str, files: int) -> Beginning:
    """The first part of a file, as much as its share among `files` is."""
    limit = max(_LEAST, _TOTAL // files)
    try:
        data = _first_bytes(file, limit + 1)
    except (OSError, EOFError, zlib.error) as cause:
        refuse(f"{_shown(file)} cannot be read: {getattr(cause, 'strerror', None) or cause}")
    whole = len(data) <= limit
    data = data[:limit]
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data:
        refuse(f"{_shown(file)} is no text in UTF-8", "save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return Beginning(codecs.getincrementaldecoder("utf-8")().decode(data, final=whole), whole)
    except UnicodeDecodeError:
        return Beginning(data.decode("iso-8859-1"), whole, "ISO-8859-1")


def _first_bytes(file: str, limit: int) -> bytes:
    name = file.lower()
    if name.endswith(".gz"):
        with gzip.open(file) as packed:
            return packed.read(limit)
    if name.endswith(".bz2"):
        with bz2.open(file) as packed_too:
            return packed_too.read(limit)
    with Path(file).open("rb") as stream:
        return stream.read(limit)


def partitions(files: SourceFiles) -> dict[str, list[str]]:
    """The columns that stand in the names of folders, `day=2024-01-01`, with the values that they have."""
    columns: dict[str, list[str]] = {}
    for file in files.files:
        for part in Path(file).parent.relative_to(files.root).parts if Path(files.root).is_dir() else ():
            name, sign, value = part.partition("=")
            if sign:
                columns.setdefault(name, []).append("" if value == "__HIVE_DEFAULT_PARTITION__" else value)
    return columns


def path_for(group: tuple[str, ...], files: SourceFiles) -> str:
    """A path that means exactly these files of those found: the folder, the file, or a glob."""
    everything = {*files.files, *files.beside}
    if set(group) == everything or (set(group) == set(files.files) and not Path(files.root).is_dir()):
        return files.root
    if len(group) == 1:
        return group[0]
    prefix, suffix = common(group), common([file[::-1] for file in group])[::-1]
    folder = files.root if Path(files.root).is_dir() else str(Path(prefix).parent)
    endings = {Path(file).suffix for file in group}
    tries = [f"{folder}/*{endings.pop()}"] if len(endings) == 1 else []
    for pattern in (*tries, f"{prefix}*{suffix}"):
        if {file for file in glob.glob(pattern) if file in everything} == set(group):
            return pattern
    others = sorted({Path(file).name for file in everything} - {Path(file).name for file in group})
    return refuse(
        f"the files at {_shown(files.root)} have different columns: {Path(group[0]).name} and {others[0]}, for two",
        "move each kind into a folder of its own, or name one kind with a glob",
    )


def common(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    first, last = min(texts), max(texts)
    same = (index for index, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return first[: next(same, min(len(first), len(last)))]


def _walk(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "_")) and "=" not in entry.name:
                continue
            if entry.is_file():
                yield entry.path
            elif entry.is_dir() and "=" in entry.name:
                yield from _walk(entry.path)


def _shown(path: str) -> str:
    return shown(Path(path))
