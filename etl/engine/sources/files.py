"""Files that land in a folder: csv, json, parquet, orc and text."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.checks.file_columns import COLUMN, FIELDS
from etl.config.grammar.formats import FORMATS
from etl.config.schema import ddl
from etl.config.schema.identifiers import quoted
from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.metadata.offset_log import decode
from etl.engine.metadata.parquet_footer import rows_of_files
from etl.engine.session.empty_frame import empty_frame
from etl.engine.sources.file_order import below, has_ties, lies_below, partitions_of
from etl.engine.sources.globs import MAGIC, crosses_folders, escape, literal_folder, matching
from etl.engine.sources.readable import must_be_readable
from etl.errors import EnvironmentProblem, FlowFailed
from etl.planning.position import Drift, Pin, advance_files, file_drift, files_position, unlisted_drift

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec
    from etl.engine.metadata.offset_log import OffsetLog

_READERS = {
    "csv": "twilight.files.CsvFiles",
    "json": "twilight.files.JsonFiles",
    "orc": "twilight.files.OrcFiles",
    "parquet": "twilight.files.ParquetFiles",
    "text": "twilight.files.TextFiles",
}
"""Ours, made of Spark's own: those lose parts of a record without a word (jvm/files/)."""
CORRUPT = "_etl_record"
"""The column that holds the text of a row that did not parse, where the source keeps such rows."""
ORIGIN = (("_etl_file", "STRING", "file_path"), ("_etl_file_time", "TIMESTAMP", "file_modification_time"))
"""The columns that say where a row lay that did not parse, NULL on every other row: name, type, field of Spark's `_metadata`."""

_FOREVER = "36500d"  # the file source forgets files older than this behind the newest one


class FileSource:
    """The files under one path, or matching one glob; a file counts by its path and its modification time."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._path = decode(spec.path)
        self._is_glob = MAGIC.search(self._path) is not None and not Path(self._path).exists()

    def latest(self) -> Pin:
        files = self._listing()
        return Pin(files_position(self._relative(files)), files)

    def pinned(self, position: Mapping[str, Any]) -> Pin:  # noqa: ARG002  # old files cannot be asked for by digest
        return self.latest()

    def drift(self, read: Mapping[str, Any], log: OffsetLog, epoch: int | None) -> Drift:
        now, position = self._relative(self._listing()), {"files": read["files"], "digest": read["digest"]}
        is_listed = epoch is not None and log.has(epoch)
        if not is_listed and files_position(now) == position:
            return Drift("same")
        try:
            if epoch is not None and is_listed and self._rewrites_skipped(log, epoch, now):
                return Drift("rewritten", "files from before start_at were changed since", new=True)
            files_read = self._files_read(log, epoch)
        except FlowFailed:  # a damaged checkpoint, which the decision names: its list of files is not known
            files_read = {}
        before = self._relative(files_read)
        if files_position(before) == position:
            drift = file_drift(before, now)
            gone = tuple(name for name in files_read if not self._relative({name: 0}).keys() & now.keys())
            return replace(drift, gone=gone) if drift.moved == "lost" else drift
        # The list did not survive (a lost checkpoint, or a crash between a commit and its record).
        drift = unlisted_drift(int(read["files"]), str(read["digest"]), now, streamed=epoch is not None)
        if drift.moved != "lost" and is_listed:
            # Spark, which goes by its list alone, would read again what is missing in it, as soon as anything is new to it.
            return Drift(
                "rewritten", "the checkpoint's list of files is not that of the files that were read", new=True
            )
        return drift

    def withdrawn(self, log: OffsetLog, epoch: int) -> str:
        """The change, in words, of the files that an epoch which was never committed is to read; empty where there is none."""
        try:
            listed = self._relative(files_of_epoch(log, epoch))
        except FlowFailed:  # a damaged checkpoint, which the decision names
            return ""
        drift = file_drift(listed, self._relative(self._listing()))
        is_whole = drift.moved in ("same", "more")
        return "" if is_whole else f"of epoch {epoch}, which was begun and never finished, {drift.detail}"

    def _files_read(self, log: OffsetLog, epoch: int | None) -> Mapping[str, int]:
        """The files that were read up to an epoch (None: pinned), path → modification time in ms; none where their list is lost."""
        if epoch is None:
            return EpochRecords(log.checkpoint).files(self._spec.name)
        return self.upto(log, epoch).files if log.has(epoch) else {}

    def empty(self, session: SparkSession) -> DataFrame:
        return empty_frame(session, ddl.without_lengths(self._spec.schema or "") + self._file_column())

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        if not pin.files:
            origin = "".join(f", {name} {kind}" for name, kind, _ in ORIGIN) if self._keeps else ""
            return empty_frame(session, ddl.without_lengths(self._schema()) + origin + self._file_column())
        must_be_readable(self._spec, pin.files, self._base())
        rows = (
            self._reader_options(session.read)
            .schema(ddl.without_lengths(self._schema()))
            .load([escape(name) for name in sorted(pin.files)])
        )
        return self._columns(rows)

    def stream(self, session: SparkSession, *, limited: bool, in_order: bool = False) -> DataFrame:
        """The input as a stream, as `Source.stream` says. `in_order`: which epoch brings a file must not depend on how its folder is listed."""
        files = self._listing()
        must_be_readable(self._spec, files, self._base())
        pattern, condition = self._pattern(), ""
        if limited and in_order and has_ties(files):
            pattern, condition = self._by_name(files)
            limited = bool(pattern)
        reader = (
            self._reader_options(session.readStream)
            .schema(ddl.without_lengths(self._schema()))
            .option("maxFileAge", _FOREVER)
        )
        limit = self._spec.rate_limit
        if limited and limit.files is not None:
            reader = reader.option("maxFilesPerTrigger", str(limit.files))
        if limited and limit.bytes is not None:
            reader = reader.option("maxBytesPerTrigger", str(limit.bytes))
        rows = reader.load(pattern or self._pattern())
        if condition:
            rows = rows.filter(condition)
        if self._spec.start_ms is not None:
            rows = rows.filter(f"_metadata.file_modification_time >= timestamp_millis({self._spec.start_ms})")
        return self._columns(rows)

    def _by_name(self, files: Mapping[str, int]) -> tuple[str, str]:
        """A pattern whose files Spark lists by name, and the condition that a file of it counts; "" where there is none: all come in one epoch."""
        folders = self._path if self._is_glob else escape(self._path)
        if self._is_glob:
            roots = [Path(name).is_dir() for name in matching(self._path)]
            if not any(roots):
                return self._path, ""
            if not all(roots) or crosses_folders(self._path):
                return "", ""
        partitions = len(partitions_of(next(iter(files)), self._path))
        return below(folders, partitions), lies_below(self._path, partitions)

    def _pattern(self) -> str:
        """The path as a stream takes it. Spark makes a plain path its base path, which a file cannot be; a pattern it leaves alone."""
        if self._is_glob:
            return self._path
        plain = escape(self._path)
        if plain != self._path or not Path(self._path).is_file():
            return plain
        folder, _, name = plain.rpartition("/")
        return f"{folder}/{re.sub('[A-Za-z0-9]', lambda letter: f'[{letter.group()}]', name, count=1)}"

    def misread_by_stream(self, log: OffsetLog, epoch: int) -> Pin | None:
        """Spark's stream takes a file's own name for a glob and reads other files of the epoch again (seen with 4.2.0)."""
        files = self._counting(files_of_epoch(log, epoch))
        return Pin({}, files) if any(MAGIC.search(name) for name in files) else None

    def epoch_pin(self, log: OffsetLog, epoch: int) -> Pin | None:
        """Only where each value that does not fit is found, whichever columns are read; the whole row of csv, json and text is parsed anyway."""
        if self._spec.format not in ("parquet", "orc") or self._spec.on_malformed != "fail":
            return None
        return Pin({}, self._counting(files_of_epoch(log, epoch)))

    def row_count(self, pin: Pin) -> int | None:
        if self._spec.format != "parquet":
            return None
        return rows_of_files(pin.files)

    def position(self, log: OffsetLog, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        return advance_files(before, self._relative(self._counting(files_of_epoch(log, epoch))))

    def upto(self, log: OffsetLog, epoch: int) -> Pin:
        offset = log.offset(epoch)
        files = self._counting(log.files(-1, int(offset["logOffset"])) if offset is not None else {})
        return Pin(files_position(self._relative(files)), files)

    def _schema(self) -> str:
        schema = self._spec.schema or ""
        return schema if self._spec.on_malformed == "fail" else f"{schema}, {CORRUPT} STRING"

    def _columns(self, frame: DataFrame) -> DataFrame:
        """The schema's columns in its order, those of ORIGIN where malformed rows are kept, and `_metadata` where rows have it.

        Spark puts the columns of partition folders last, and adds the ones that no schema names.
        """
        names = [column.name for column in ddl.parse(self._schema())]
        same = [name.lower() for name in names] == [name.lower() for name in frame.columns]
        more = [f"if({CORRUPT} IS NULL, NULL, _metadata.{field}) AS {name}" for name, _, field in ORIGIN if self._keeps]
        if self._spec.tells_files:
            more.append(f"struct({', '.join(f'_metadata.{name} AS {name}' for name, _ in FIELDS)}) AS {COLUMN}")
        shown = [quoted(name) for name in names]
        return frame if same and not more else frame.selectExpr(*shown, *more)

    def _file_column(self) -> str:
        """`, _metadata STRUCT<…>`, for the schema of rows that have the column of their file; empty where they have not."""
        fields = ", ".join(f"{name} {kind}" for name, kind in FIELDS)
        return f", {COLUMN} STRUCT<{fields}>" if self._spec.tells_files else ""

    @property
    def _keeps(self) -> bool:
        return self._spec.on_malformed == "quarantine"

    def _reader_options(self, reader: Any) -> Any:
        reader = reader.format(_READERS[self._spec.format])
        if self._spec.format == "csv":
            # By default Spark takes columns by place, whatever the header calls them: values in the wrong columns, and no word.
            reader = reader.option("enforceSchema", "false")
        for key, value in self._spec.options:
            reader = reader.option(key, value)
        if FORMATS[self._spec.format].malformed:
            if self._spec.on_malformed == "fail":
                reader = reader.option("mode", "FAILFAST")
            else:
                reader = reader.option("mode", "PERMISSIVE").option("columnNameOfCorruptRecord", CORRUPT)
        return reader.option("basePath", self._base()) if self._base() else reader

    def _base(self) -> str:
        """The folder below which partition folders start: the path itself, or the folder above a glob; empty where the path is a file."""
        if self._is_glob:
            return literal_folder(self._path)
        return self._path if Path(self._path).is_dir() else ""

    def _must_exist(self) -> None:
        if not self._is_glob and not Path(self._path).exists():
            raise EnvironmentProblem(
                f"source '{self._spec.name}': there is nothing at {self._path}",
                where=str(self._spec.at),
                hint="create the folder, or correct the source's path",
            )

    def _listing(self) -> dict[str, int]:
        """The files that Spark would list: not hidden ones, and of subfolders only partitions (`name=value`)."""
        self._must_exist()
        files: dict[str, int] = {}
        for root in matching(self._path) if self._is_glob else [self._path]:
            if Path(root).is_dir():
                files.update(_walk(root))
            elif not _hidden(Path(root).name):
                files[root] = _modified(Path(root).stat())
        return self._since_start(files)

    def _since_start(self, files: Mapping[str, int]) -> dict[str, int]:
        """The files that count: those that were changed at `start_at` or after it."""
        start = self._spec.start_ms
        return {name: modified for name, modified in files.items() if start is None or modified >= start}

    def _counting(self, files: Mapping[str, int]) -> dict[str, int]:
        """Those of the files that a stream has listed which count: a pattern of names meets folders, too, and Spark lists what is in them."""
        since = self._since_start(files)
        if self._is_glob and crosses_folders(self._path):
            return since
        return {name: modified for name, modified in since.items() if self._lies_right(name)}

    def _lies_right(self, name: str) -> bool:
        return all("=" in folder and not _hidden(folder) for folder in partitions_of(name, self._path))

    def _rewrites_skipped(self, log: OffsetLog, epoch: int, now: Mapping[str, int]) -> bool:
        """Whether a file that Spark skipped as too old has been rewritten: its stream never looks at a file twice."""
        offset = log.offset(epoch)
        if self._spec.start_ms is None or offset is None:
            return False
        listed = self._relative(log.files(-1, int(offset["logOffset"])))
        return any(listed.get(name, modified) < self._spec.start_ms for name, modified in now.items())

    def _relative(self, files: Mapping[str, int]) -> dict[str, int]:
        prefix = self._path.rstrip("/") + "/"
        return {name.removeprefix(prefix): modified for name, modified in files.items()}


def files_of_epoch(log: OffsetLog, epoch: int) -> dict[str, int]:
    """The files that one epoch of the stream brings, path → modification time in ms."""
    offset, previous = log.offset(epoch), log.offset(epoch - 1)
    upto = int(offset["logOffset"]) if offset else -1
    after = int(previous["logOffset"]) if previous else -1
    return log.files(after, upto)


def _walk(folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _hidden(entry.name):
                continue
            if entry.is_file():
                yield entry.path, _modified(entry.stat())
            elif entry.is_dir() and "=" in entry.name:
                yield from _walk(entry.path)


def _modified(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000_000


def _hidden(name: str) -> bool:
    return (name.startswith("_") and "=" not in name) or name.startswith(".") or name.endswith("._COPYING_")
