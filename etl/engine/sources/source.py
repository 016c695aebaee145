"""The protocol of an input, and the class that answers it for a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.plugins import PluginProblem, find_format, opened
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec
    from etl.engine.metadata.offset_log import OffsetLog
    from etl.planning.position import Drift, Pin


class Source(Protocol):
    """An input. Its positions are JSON, and only the source itself knows what stands in them.

    `latest`, `pinned`, `drift`, `misread_by_stream`, `position` and `upto` need no JVM.
    Rows have the columns of the source's schema; where `on_malformed` is not `fail`, `_etl_record STRING` as well, the text of malformed ones.
    """

    def latest(self) -> Pin:
        """The input's newest position. Raises EnvironmentProblem where the input is not there."""

    def pinned(self, position: Mapping[str, Any]) -> Pin:
        """The pin of a position that was recorded before, where it can still be read; else of the newest position."""

    def drift(self, read: Mapping[str, Any], log: OffsetLog, epoch: int | None) -> Drift:
        """How the input has moved since the position `read`.

        `log`: of the generation that read it. `epoch`: the one that streamed it; None where it was pinned.
        """

    def empty(self, session: SparkSession) -> DataFrame:
        """No rows, with the input's columns, less `_etl_record`."""

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        """The whole input at a pin, static."""

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:
        """The input from its beginning, as a stream; `limited` applies the source's rate limit."""

    def misread_by_stream(self, log: OffsetLog, epoch: int) -> Pin | None:
        """The pin to read an epoch of the stream at instead, where Spark's stream would read it wrongly; else None."""

    def position(self, log: OffsetLog, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """The position that an epoch of the stream reads up to, from Spark's own offsets; `before`: that of the epoch before."""

    def upto(self, log: OffsetLog, epoch: int) -> Pin:
        """The whole input, from its beginning up to the end of an epoch of the stream."""


@runtime_checkable
class StaticSource(Protocol):
    """A source of which Spark can read an epoch of the stream statically: a micro-batch is computed whole, with every column.

    Both methods need no JVM.
    """

    def epoch_pin(self, log: OffsetLog, epoch: int) -> Pin | None:
        """The pin at which `as_of` has exactly the rows that an epoch of the stream brings; None where there is none."""

    def row_count(self, pin: Pin) -> int | None:
        """How many rows `as_of` has at a pin; None where that takes reading them."""


def open_source(spec: SourceSpec) -> Source:
    """The source that reads what `spec` names. Raises ConfigurationError (E208) where its format's plug-in cannot be opened."""
    try:
        return cast("Source", opened(find_format(spec.format).opens, f"format '{spec.format}'")(spec))
    except PluginProblem as cause:
        raise ConfigurationError([Diagnostic("E208", f"source '{spec.name}': {cause}", spec.at, cause.hint)]) from cause
