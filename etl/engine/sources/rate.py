"""Spark's `rate` source: rows made by a clock that starts with the generation. For streams only: what it made it never makes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.engine.session.empty_frame import empty_frame
from etl.planning.position import Drift, Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec
    from etl.engine.metadata.offset_log import OffsetLog


class RateSource:
    """Rows `(timestamp, value)`; its position is the number of seconds since the generation began."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec

    def latest(self) -> Pin:
        return Pin({"seconds": 0})

    def pinned(self, position: Mapping[str, Any]) -> Pin:
        return Pin(dict(position))

    def drift(self, read: Mapping[str, Any], log: OffsetLog, epoch: int | None) -> Drift:  # noqa: ARG002  # a clock always goes on
        seconds = int(read["seconds"])
        return Drift("lost", f"what the clock made in {seconds} seconds is never made again", new=True)

    def empty(self, session: SparkSession) -> DataFrame:
        return empty_frame(session, self._spec.schema or "")

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:  # noqa: ARG002  # nothing of it can be read again
        return self.empty(session)

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:  # noqa: ARG002  # its rate is its limit
        reader = session.readStream.format("rate")
        for key, value in self._spec.options:
            reader = reader.option(key, value)
        return reader.load()

    def misread_by_stream(self, log: OffsetLog, epoch: int) -> Pin | None:  # noqa: ARG002  # there are no files
        return None

    def position(self, log: OffsetLog, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        offset = log.offset(epoch)
        return {"seconds": int(offset)} if offset is not None else dict(before or {"seconds": 0})

    def upto(self, log: OffsetLog, epoch: int) -> Pin:
        return Pin(self.position(log, epoch, None))
