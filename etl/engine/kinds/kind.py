"""What every kind of processing answers: what an epoch reads, what it makes of that, and how a stream drives it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Output, Span
    from etl.engine.state.progress import Observed
    from etl.planning.position import Position


class FlowKind(ABC):
    """A kind of processing. It has no state: everything that differs between flows is in the job."""

    def check_inputs(self, job: Job, empty: Mapping[str, DataFrame]) -> None:  # noqa: B027  # a hook: most kinds need nothing here
        """Look at the inputs before a generation is opened; `empty` has their columns. Raises ConfigurationError where an input does not suit the kind."""

    def opened(self, job: Job, session: SparkSession, *, complete: bool) -> Job:  # noqa: ARG002  # for kinds that need more
        """The job of a new generation, with what its record must keep. `complete`: its first epoch reads everything that is there."""
        return job

    def resumed(self, job: Job, session: SparkSession) -> Job:  # noqa: ARG002  # for kinds that need more
        """The job of a generation that goes on."""
        return job

    @abstractmethod
    def span(self, job: Job, n: int, before: Position | None, earlier: Provenance | None, *, streams: bool) -> Span:
        """What epoch `n` reads, after `before` (None: from the beginning).

        `earlier`: the stamp of an attempt of this epoch that died, whose snapshots are read again. `streams`: a micro-batch brings
        the changes inputs; else they are read whole.
        """

    def before_epoch(self, job: Job, n: int) -> None:  # noqa: B027  # a hook: most kinds need nothing here
        """Make ready for the rows of micro-batch `n` to be computed."""

    @abstractmethod
    def output(
        self, job: Job, session: SparkSession, span: Span, micro_batch: DataFrame | None, caches: Caches
    ) -> Output:
        """The transform's rows in an epoch and what they replace in the target. `micro_batch`: None where the inputs are read whole."""

    def pass_over(self, job: Job, micro_batch: DataFrame, n: int, *, staged: bool) -> None:  # noqa: B027  # a hook: most kinds need nothing here
        """Do what a micro-batch needs of which no row goes to the target now: it holds them already, or is to hold the `staged` ones later."""


class StreamedKind(FlowKind):
    """A kind whose epochs are the micro-batches of one streaming query."""

    def before_stream(self, job: Job) -> None:
        """Make ready for the query to start."""

    @abstractmethod
    def stream(self, job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
        """The stream whose micro-batches are the epochs, its sources in the order of the changes inputs; `limited` applies rate limits."""

    def output_mode(self, job: Job) -> str:  # noqa: ARG002  # only state has a choice
        """Spark's output mode of the query."""
        return "append"

    def micro_batch(self, rows: DataFrame) -> DataFrame:
        """What `foreachBatch` was given, fit to be computed."""
        return rows

    def observe(self, job: Job, query: StreamingQuery) -> Observed | None:  # noqa: ARG002  # for kinds that need more
        """What the running query alone knows of the rows that it has read; None where the epochs count them themselves."""
        return None

    def after_stream(self, job: Job) -> None:
        """Clean up after a query that has read everything that was due."""
