"""Delta tables: sources of the user's, and the targets of other flows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.checkpoints import decode, source_offset
from etl.engine.provenance import log_versions, read_commit
from etl.engine.sources.pin import Pin
from etl.errors import EnvironmentProblem
from etl.planning.position import Drift

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec

_ALL = str(2**31 - 1)


class DeltaSource:
    """A Delta table; its position is a version."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._path = decode(spec.path)

    def latest(self) -> Pin:
        return Pin({"version": self._newest()})

    def pinned(self, position: Mapping[str, Any]) -> Pin:
        return Pin({"version": int(position["version"])})

    def drift(self, read: Mapping[str, Any], generation: str, epoch: int | None) -> Drift:  # noqa: ARG002  # the log tells all
        newest, since = self._newest(), int(read["version"])
        if newest < since:
            return Drift("rewritten", f"the table went back from version {since} to {newest}")
        kept = set(log_versions(self._path))
        missing = [version for version in range(since + 1, newest + 1) if version not in kept]
        if missing:
            return Drift("rewritten", f"its log no longer tells of version {missing[0]}")
        moved = "within" in read
        for version in range(since + 1, newest + 1):
            commit = read_commit(self._path, version)
            if commit.removed:
                return Drift("rewritten", f"version {version} ({commit.operation}) changed rows that were read")
            moved = moved or commit.added > 0
        return Drift("more", f"versions {since + 1} to {newest}", new=True) if moved else Drift("same")

    def empty(self, session: SparkSession) -> DataFrame:
        self._newest()
        return session.createDataFrame([], session.read.format("delta").load(self._path).schema)

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        reader = session.read.format("delta").option("versionAsOf", str(pin.position["version"]))
        return reader.load(self._path)

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:
        self._newest()
        reader = session.readStream.format("delta")
        for key, value in self._spec.options:
            reader = reader.option(key, value)
        limit = self._spec.rate_limit
        if limited and limit.bytes is not None:
            reader = reader.option("maxBytesPerTrigger", str(limit.bytes))
        files = str(limit.files) if limited and limit.files is not None else _ALL
        return reader.option("maxFilesPerTrigger", files).load(self._path)

    def misread(self, checkpoint: str, epoch: int) -> Pin | None:  # noqa: ARG002  # a table's files have no names to misread
        return None

    def position(self, checkpoint: str, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        offset = source_offset(checkpoint, epoch)
        if offset is None:
            return dict(before) if before else {"version": -1}
        version, index = int(offset["reservoirVersion"]), int(offset["index"])
        if index < 0:
            return {"version": version - 1}
        if offset.get("isStartingVersion"):
            return {"version": version, "within": version, "index": index}
        return {"version": version - 1, "within": version, "index": index}

    def _newest(self) -> int:
        versions = log_versions(self._path)
        if not versions:
            raise EnvironmentProblem(
                f"'{self._spec.name}': there is no Delta table at {Path(self._path)}",
                where=str(self._spec.at) if self._spec.at.line else "",
                hint="run the flow that writes it first, or correct the source's path",
            )
        return versions[-1]
