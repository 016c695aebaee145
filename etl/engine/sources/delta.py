"""Delta tables: sources of the user's, and the targets of other flows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pyspark.sql.types import StructType

from etl.config.build.starts import starts
from etl.config.schema.identifiers import quoted
from etl.engine.metadata.added_files import added_files, schema_at
from etl.engine.metadata.delta_log import log_versions, read_commit
from etl.engine.metadata.offset_log import decode
from etl.engine.metadata.parquet_footer import rows_of_files
from etl.engine.metadata.table_properties import FEED
from etl.engine.metadata.table_size import table_size
from etl.engine.session.empty_frame import empty_frame
from etl.engine.sources.globs import escape
from etl.engine.storage.json_files import read_json
from etl.engine.storage.places import place
from etl.errors import EnvironmentProblem, FlowFailed
from etl.planning.position import Drift, Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec
    from etl.engine.metadata.delta_log import Commit
    from etl.engine.metadata.offset_log import OffsetLog

_ALL = str(2**31 - 1)
_MOST_COMMITS = 200  # that are read to tell a table's rows: of a longer log reading the rows is as cheap


def _named(table: str) -> dict[str, Any]:
    """The part of a position that names the table: its id, where that is known."""
    return {"table": table} if table else {}


def _types(schema: str) -> list[tuple[str, Any]]:
    """The names and types of a table's columns, from its schema in the log."""
    return [(field["name"], field["type"]) for field in json.loads(schema)["fields"]] if schema else []


class DeltaSource:
    """A Delta table; its position is a version.

    A table whose rows change (`reads_change_feed`) is streamed through its change feed: every row that came, and every row that went.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._path = decode(spec.path)

    def latest(self) -> Pin:
        return Pin({"version": self._newest()} | _named(self._table_id()))

    def pinned(self, position: Mapping[str, Any]) -> Pin:
        """The table at a version that was read of it; at its newest where that cannot be read as it was any more."""
        version, before = int(position["version"]), str(position.get("table", ""))
        now = self._table_id() if before else ""
        if version >= 0 and (before != (now or before) or not self._holds(version)):
            return self.latest()
        return Pin({"version": version} | _named(before))

    def drift(self, read: Mapping[str, Any], log: OffsetLog, epoch: int | None) -> Drift:
        if epoch is not None and self._goes_astray(read, log, epoch):
            return Drift(
                "rewritten", f"the checkpoint's offsets of epoch {epoch} are not those of its commit", new=True
            )
        newest, since = self._newest(), int(read["version"])
        before, now = str(read.get("table", "")), self._table_id()
        if before and now and before != now:
            reason = f"the table was dropped or replaced, and recreated, since version {since} was read"
            return Drift("rewritten", f"{reason} (id {before[:8]}, now {now[:8]})", new=True)
        if newest < since:
            return Drift("rewritten", f"the table went back from version {since} to {newest}")
        kept = set(log_versions(self._path))
        missing = [version for version in range(since + 1, newest + 1) if version not in kept]
        if missing:
            return Drift("rewritten", f"its log no longer tells of version {missing[0]}")
        moved = "within" in read
        if "within" in read and int(read["within"]) == since and not self._holds(since):
            reason = f"the files of version {since} were vacuumed before all of them were read"
            return Drift("rewritten", reason, new=True)
        streamed = self._spec.reads_change_feed and epoch is not None  # pinned, it is computed from the whole table
        fed = not streamed or newest == since or self._has_feed(since)
        for version in range(since + 1, newest + 1):
            commit = read_commit(self._path, version)
            if streamed and commit.properties is not None:
                fed = commit.properties.get(FEED) == "true"
            if not fed:
                return Drift("rewritten", f"its change feed was off at version {version}", new=True)
            if commit.removed and not self._spec.reads_change_feed:
                return Drift("rewritten", f"version {version} ({commit.operation}) changed rows that were read")
            if (
                self._spec.reads_change_feed
                and commit.schema
                and _types(commit.schema) != _types(self._schema_before(version))
            ):
                return Drift("rewritten", f"version {version} changed the table's columns", new=True)
            if not all(self._is_there(name) for name in self._needed(commit)):
                return Drift(
                    "rewritten", f"the files of version {version} were vacuumed before they were read", new=True
                )
            moved = moved or commit.data_change
        return Drift("more", f"versions {since + 1} to {newest}", new=True) if moved else Drift("same")

    def _goes_astray(self, read: Mapping[str, Any], log: OffsetLog, epoch: int) -> bool:
        """Whether Spark would go on from another position than the target's: another driver on the checkpoint may have written its offsets."""
        try:
            if not log.has(epoch) or log.offset(epoch) is None:
                return False
            planned = self.position(log, epoch, None)
        except FlowFailed:  # a damaged checkpoint, which the decision names
            return False
        return any(planned.get(key) != read.get(key) for key in ("version", "within", "index"))

    def empty(self, session: SparkSession) -> DataFrame:
        self._newest()
        return empty_frame(session, session.read.format("delta").load(self._path).schema)

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        if pin.files:
            schema = StructType.fromJson(schema_at(self._path, int(pin.position["version"])))
            return session.read.schema(schema).parquet(*(escape(name) for name in sorted(pin.files)))
        # An epoch may end within a version; what it does not tell yet is told by the next, and is read twice rather than late.
        version = pin.position.get("within", pin.position["version"])
        if starts(self._spec.start_ms, self._spec.start_version):
            return self._nothing(session, int(version))
        return session.read.format("delta").option("versionAsOf", str(version)).load(self._path)

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:
        self._newest()
        reader = session.readStream.format("delta")
        for key, value in self._spec.options:
            reader = reader.option(key, value)
        if self._spec.reads_change_feed:
            self._must_have_feed(session)
            return reader.option("readChangeFeed", "true").option("maxFilesPerTrigger", _ALL).load(self._path)
        start = self._start()
        if start is not None:
            reader = reader.option("startingVersion", str(start))
        limit = self._spec.rate_limit
        if limited and limit.bytes is not None:
            reader = reader.option("maxBytesPerTrigger", str(limit.bytes))
        files = str(limit.files) if limited and limit.files is not None else _ALL
        return reader.option("maxFilesPerTrigger", files).load(self._path)

    def misread_by_stream(self, log: OffsetLog, epoch: int) -> Pin | None:  # noqa: ARG002  # a table's files have no names to misread
        return None

    def epoch_pin(self, log: OffsetLog, epoch: int) -> Pin | None:
        """The table at a version where the epoch brings all of it, or the files that the epoch's versions added to a plain table."""
        if self._spec.reads_change_feed or self._spec.options or log.offset(epoch) is None:
            return None
        to, before = self.position(log, epoch, None), self._before(log, epoch)
        if before is None or "within" in to or "within" in before:
            return None
        if not before:
            return None if starts(self._spec.start_ms, self._spec.start_version) else Pin(to)
        added = added_files(self._path, int(before["version"]), int(to["version"]))
        return Pin(to, dict.fromkeys(added, 0)) if added else None  # a pin without files is the table whole

    def _before(self, log: OffsetLog, epoch: int) -> dict[str, Any] | None:
        """The position that an epoch of the stream begins at; empty for one that begins with the table, None where the checkpoint does not say any more."""
        for number in range(epoch - 1, -1, -1):
            if not log.has(number):
                return None
            if log.offset(number) is not None:
                return self.position(log, number, None)
        return {}

    def row_count(self, pin: Pin) -> int | None:
        if pin.files:
            return rows_of_files(pin.files)
        if starts(self._spec.start_ms, self._spec.start_version) or len(log_versions(self._path)) > _MOST_COMMITS:
            return None
        return table_size(self._path, int(pin.position.get("within", pin.position["version"]))).rows

    def position(self, log: OffsetLog, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        offset = log.offset(epoch)
        if offset is None:
            return dict(before) if before else {"version": -1}
        version, index = int(offset["reservoirVersion"]), int(offset["index"])
        named = _named(str(offset.get("reservoirId", "")))
        if index < 0:
            return {"version": version - 1} | named
        if self._spec.reads_change_feed:
            return {"version": version} | named  # without a limit a feed is read by whole versions
        if offset.get("isStartingVersion"):
            return {"version": version, "within": version, "index": index} | named
        return {"version": version - 1, "within": version, "index": index} | named

    def upto(self, log: OffsetLog, epoch: int) -> Pin:
        for earlier in range(epoch, -1, -1):
            if log.offset(earlier) is not None:
                return Pin(self.position(log, earlier, None))
        return Pin({"version": 0})

    def _needed(self, commit: Commit) -> tuple[str, ...]:
        """The files that a stream reads of a commit; a change feed reads its own, or else what came and what went."""
        return (commit.told or (*commit.files, *commit.gone)) if self._spec.reads_change_feed else commit.files

    def _holds(self, version: int) -> bool:
        """Whether the log tells of a version, and every file that was taken away since then is still there to be read."""
        versions = log_versions(self._path)
        if version not in versions:
            return False
        since: set[str] = set()
        for later in versions[versions.index(version) + 1 :]:
            commit = read_commit(self._path, later)
            since |= set(commit.every_file)
            if not all(name in since or self._is_there(name) for name in commit.every_gone):
                return False
        return True

    def _is_there(self, name: str) -> bool:
        return place(self._path, decode(name) if name.startswith("file:") else unquote(name)).exists()

    def _table_id(self) -> str:
        """The table's id, which outlives every change of it but not a new table under its path; empty where the log does not tell."""
        versions = log_versions(self._path)
        for version in dict.fromkeys([*versions[-1:], *versions[:1]]):
            try:
                checksum = read_json(place(self._path, "_delta_log", f"{version:020d}.crc"))
                table_id = str(checksum["metadata"]["id"]) if checksum else ""
            except (ValueError, KeyError, TypeError):  # a checksum that is cut off; Delta does without it, too
                table_id = ""
            table_id = table_id or read_commit(self._path, version).table_id
            if table_id:
                return table_id
        return ""

    def _has_feed(self, version: int) -> bool:
        """Whether a version of the table tells which rows came and went; True where the log does not tell any more."""
        try:
            checksum = read_json(place(self._path, "_delta_log", f"{version:020d}.crc")) or {}
            return bool(checksum["metadata"]["configuration"].get(FEED) == "true")
        except (ValueError, KeyError, TypeError, AttributeError):  # as in _table_id
            pass
        for earlier in reversed([logged for logged in log_versions(self._path) if logged <= version]):
            properties = read_commit(self._path, earlier).properties
            if properties is not None:
                return properties.get(FEED) == "true"
        return True

    def _schema_before(self, version: int) -> str:
        """The schema that a version of the table found; empty where the log does not tell any more."""
        for earlier in reversed([logged for logged in log_versions(self._path) if logged < version]):
            schema = read_commit(self._path, earlier).schema
            if schema:
                return schema
        return ""

    def _must_have_feed(self, session: SparkSession) -> None:
        """Have the table write its change feed from now on. What came before is the feed's first snapshot."""
        table = "delta." + quoted(self._path)
        properties = {row["key"]: row["value"] for row in session.sql(f"SHOW TBLPROPERTIES {table}").collect()}
        if properties.get(FEED) != "true":
            session.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({FEED} = true)")

    def _start(self) -> int | None:
        """The first version that counts; None for the table as it is. Every later one must have added rows and no more."""
        start, versions = self._spec.start_version, log_versions(self._path)
        if self._spec.start_ms is not None:
            later = (
                version for version in versions if read_commit(self._path, version).timestamp_ms >= self._spec.start_ms
            )
            start = next(later, versions[-1] + 1 if versions else 0)
        if start is None:
            return None
        if start not in versions:
            reason = (
                f"its newest version is {versions[-1]}" if start > versions[-1] else "its log no longer tells of it"
            )
            raise self._no_start(start, reason, "run again when there is more, or move start_at")
        for version in versions[versions.index(start) :]:
            if read_commit(self._path, version).removed:
                raise self._no_start(
                    start, f"version {version} changed or deleted rows", f"start after version {version}"
                )
        return start

    def _no_start(self, start: int, reason: str, hint: str) -> EnvironmentProblem:
        message = f"'{self._spec.name}' cannot be read from version {start} on: {reason}"
        return EnvironmentProblem(message, where=str(self._spec.at), hint=hint)

    def _nothing(self, session: SparkSession, upto: int) -> DataFrame:
        """No rows, of a table that is read from a start on and of which nothing was streamed up to version `upto`.

        Raises FlowFailed, transient, where rows came after all.
        """
        start = self._start()
        counting = [version for version in log_versions(self._path) if start is not None and start <= version <= upto]
        if any(read_commit(self._path, version).added for version in counting):
            raise FlowFailed(f"'{self._spec.name}' was written to while it was read", hint="run again", transient=True)
        return self.empty(session)

    def _newest(self) -> int:
        versions = log_versions(self._path)
        if not versions:
            raise EnvironmentProblem(
                f"'{self._spec.name}': there is no Delta table at {self._path}",
                where=str(self._spec.at),
                hint="run the flow that writes it first, or correct the source's path",
            )
        return versions[-1]
