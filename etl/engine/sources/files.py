"""Files that land in a folder: csv, json and parquet."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.checkpoints import decode, files_between, source_offset
from etl.engine.generations import recorded_files
from etl.engine.sources.pin import Pin
from etl.errors import EnvironmentProblem
from etl.planning.position import Drift, advance_files, file_drift, files_position

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec

CORRUPT = "_etl_record"
"""The column that holds the text of a row that did not parse, where the source keeps such rows."""

_GLOB = re.compile(r"[*?\[\]{}\\]")
_FOREVER = "36500d"  # the file source forgets files older than this behind the newest one


class FileSource:
    """The files under one path, or matching one glob; a file counts by its path and its modification time."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._path = decode(spec.path)

    def latest(self) -> Pin:
        found = self._listing()
        return Pin(files_position(self._relative(found)), found)

    def pinned(self, position: Mapping[str, Any]) -> Pin:  # noqa: ARG002  # old files cannot be asked for by digest
        return self.latest()

    def drift(self, read: Mapping[str, Any], generation: str, epoch: int | None) -> Drift:
        now = self._relative(self._listing())
        if files_position(now) == {"files": read["files"], "digest": read["digest"]}:
            return Drift("same")
        known = self._relative(self._remembered(generation, epoch))
        if files_position(known) == {"files": read["files"], "digest": read["digest"]}:
            return file_drift(known, now)
        # The list did not survive (a crash between a commit and its record): its size tells what can be told.
        if len(now) < int(read["files"]):
            return Drift("lost", f"{int(read['files']) - len(now)} files are gone")
        return Drift("rewritten", "the files have changed", new=True)

    def _remembered(self, generation: str, epoch: int | None) -> Mapping[str, int]:
        if epoch is None:
            return recorded_files(generation, self._spec.name)
        offset = source_offset(generation, epoch) if Path(generation, "offsets", str(epoch)).exists() else None
        return files_between(generation, -1, int(offset["logOffset"])) if offset is not None else {}

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        schema = self._schema()
        if not pin.files:
            return session.createDataFrame([], schema)
        found: DataFrame = (
            self._reader_options(session.read).schema(schema).load([_escape(name) for name in sorted(pin.files)])
        )
        return found

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:
        self._must_exist()
        reader = self._reader_options(session.readStream).schema(self._schema()).option("maxFileAge", _FOREVER)
        limit = self._spec.rate_limit
        if limited and limit.files is not None:
            reader = reader.option("maxFilesPerTrigger", str(limit.files))
        if limited and limit.bytes is not None:
            reader = reader.option("maxBytesPerTrigger", str(limit.bytes))
        found: DataFrame = reader.load(self._path)
        return found

    def misread(self, checkpoint: str, epoch: int) -> Pin | None:
        """Spark's stream takes a file's own name for a glob and reads other files of the epoch again (seen with 4.2.0)."""
        files = _of_epoch(checkpoint, epoch)
        return Pin({}, files) if any(_GLOB.search(name) for name in files) else None

    def position(self, checkpoint: str, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        return advance_files(before, self._relative(_of_epoch(checkpoint, epoch)))

    def _schema(self) -> str:
        schema = self._spec.schema or ""
        return schema if self._spec.on_malformed == "fail" else f"{schema}, {CORRUPT} STRING"

    def _reader_options(self, reader: Any) -> Any:
        reader = reader.format(self._spec.format)
        for key, value in self._spec.options:
            reader = reader.option(key, value)
        if self._spec.format == "parquet":
            return reader.option("basePath", self._base()) if self._base() else reader
        if self._spec.on_malformed == "fail":
            reader = reader.option("mode", "FAILFAST")
        else:
            reader = reader.option("mode", "PERMISSIVE").option("columnNameOfCorruptRecord", CORRUPT)
        return reader.option("basePath", self._base()) if self._base() else reader

    def _base(self) -> str:
        """Where partition folders start: the path itself, where it is a folder."""
        return self._path if Path(self._path).is_dir() else ""

    def _must_exist(self) -> None:
        if not _GLOB.search(self._path) and not Path(self._path).exists():
            raise EnvironmentProblem(
                f"source '{self._spec.name}': there is nothing at {self._path}",
                where=str(self._spec.at),
                hint="create the folder, or correct the source's path",
            )

    def _listing(self) -> dict[str, int]:
        """The files that Spark would list: not hidden ones, and of subfolders only partitions (`name=value`)."""
        self._must_exist()
        roots = [self._path] if Path(self._path).exists() else glob.glob(self._path)
        found: dict[str, int] = {}
        for root in roots:
            if Path(root).is_file():
                found[root] = _modified(Path(root).stat())
            else:
                found.update(_walk(root))
        return found

    def _relative(self, files: Mapping[str, int]) -> dict[str, int]:
        prefix = self._path.rstrip("/") + "/"
        return {name.removeprefix(prefix): modified for name, modified in files.items()}


def _of_epoch(checkpoint: str, epoch: int) -> dict[str, int]:
    """The files that one epoch of the stream brings."""
    offset, previous = source_offset(checkpoint, epoch), source_offset(checkpoint, epoch - 1)
    upto = int(offset["logOffset"]) if offset else -1
    after = int(previous["logOffset"]) if previous else -1
    return files_between(checkpoint, after, upto)


def _walk(folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "_")) and "=" not in entry.name:
                continue
            if entry.is_file():
                yield entry.path, _modified(entry.stat())
            elif entry.is_dir() and "=" in entry.name:
                yield from _walk(entry.path)


def _modified(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000_000


def _escape(path: str) -> str:
    return _GLOB.sub(lambda found: "\\" + found.group(), path)
