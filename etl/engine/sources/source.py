"""What the engine asks of an input, and who answers for a format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.plugins import PluginProblem, find_format, opened
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SourceSpec
    from etl.engine.metadata.offset_log import SourceLog
    from etl.planning.position import Drift, Pin


class Source(Protocol):
    """What the engine asks of an input; positions are JSON, and only the source knows what stands in its own."""

    def latest(self) -> Pin:
        """Where the input stands now. No JVM."""

    def pinned(self, position: Mapping[str, Any]) -> Pin:
        """The pin of a position that was recorded before, where it can still be read; else where the input stands now."""

    def drift(self, read: Mapping[str, Any], log: SourceLog, epoch: int | None) -> Drift:
        """How the input has moved since `read`; `log` is of the generation that read it, `epoch` the one that streamed it (None: it was pinned)."""

    def empty(self, session: SparkSession) -> DataFrame:
        """No rows, with the input's columns."""

    def as_of(self, session: SparkSession, pin: Pin) -> DataFrame:
        """The whole input at a pin, static."""

    def stream(self, session: SparkSession, *, limited: bool) -> DataFrame:
        """The input from its beginning, as a stream; `limited` applies the source's rate limit."""

    def misread_by_stream(self, log: SourceLog, epoch: int) -> Pin | None:
        """What an epoch of the stream must be read as instead, where Spark's stream would read it wrongly."""

    def position(self, log: SourceLog, epoch: int, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """How far an epoch of the stream reads, from Spark's own offsets; `before` is the position of the epoch before."""

    def upto(self, log: SourceLog, epoch: int) -> Pin:
        """The whole input, from its beginning up to the end of an epoch of the stream."""


def open_source(spec: SourceSpec) -> Source:
    """The source that reads what `spec` names."""
    try:
        return cast("Source", opened(find_format(spec.format).opens, f"format '{spec.format}'")(spec))
    except PluginProblem as cause:
        raise ConfigurationError([Diagnostic("E208", f"source '{spec.name}': {cause}", spec.at, cause.hint)]) from cause
