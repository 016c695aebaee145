"""What a sink gives back: the commits of one epoch, each of which `run/epoch_commit` makes at its moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces


class EpochCommits(Protocol):
    """The commits of one epoch, none of which is made yet.

    They are made in this order: `commit_state`, the quarantine's (which is not the sink's), `commit_target`; then `close`, whatever
    happened before. By the time of `commit_target` no SQL of the user's may be left to analyse: the session's clock may be UTC.
    """

    def commit_state(self) -> None:
        """Commit what later epochs need beside the target; nothing where an earlier attempt of the epoch has done so."""

    def commit_target(self) -> int | None:
        """Make exactly one commit on the target, also of no rows, within `stamped`.

        Returns how many rows it wrote; None where that is every row that the sink was given.
        """

    def close(self) -> None:
        """Let go of what was kept in memory."""


@dataclass(frozen=True, slots=True)
class TargetCommit:
    """The one commit of a sink that keeps no state and nothing in memory: `commit` makes it."""

    commit: Callable[[], int | None]

    def commit_state(self) -> None:
        """Nothing: the target tells all."""

    def commit_target(self) -> int | None:
        """What `commit` does and returns."""
        return self.commit()

    def close(self) -> None:
        """Nothing: there is nothing to let go of."""


Sink: TypeAlias = "Callable[[Job, SparkSession, DataFrame, Replaces, Provenance], EpochCommits]"
"""`prepare(job, session, rows, replaces, stamp)`: the good rows of an epoch, and what they replace in the target. It commits nothing."""
