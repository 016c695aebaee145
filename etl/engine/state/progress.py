"""What the query of a state flow tells of the rows that it has read: it alone counts them, and each input's newest time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError

from etl.engine.state.event_time import record_newest
from etl.engine.state.watermark import observed_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.streaming.query import StreamingQuery

    from etl.engine.job import Job
    from etl.planning.results import Counts


@dataclass(frozen=True, slots=True)
class Observed:
    """What a query has told by now.

    Attributes:
        counts: Epoch → what was read in it, as far as the query alone knows.
        is_final: Whether the query has ended, so that it tells nothing more.
    """

    counts: Mapping[int, Counts] = field(default_factory=dict)
    is_final: bool = True


def observe(job: Job, query: StreamingQuery) -> Observed:
    """What the query tells; what later runs must know of it is recorded: each input's newest time, and whether rows came late."""
    try:
        is_active = bool(query.isActive)  # asked first: one that has ended by now has told everything
        progress = query.recentProgress
    except (Py4JError, OSError):  # its JVM is gone: who asks it for more than this will say so
        return Observed()
    record_newest(job, progress)
    counts = observed_counts(job, progress)
    if any(epoch > 0 and of_epoch.late for epoch, of_epoch in counts.items()):
        job.generation.records.record_left_out()
    return Observed(counts, is_final=not is_active)
