"""What an attempt of an epoch left of itself before it died: the next attempt reads what that one read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.sql import run_ts
from etl.engine.metadata.delta_log import last_stamp

if TYPE_CHECKING:
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance


def earlier_attempt(job: Job, n: int) -> Provenance | None:
    """The stamp that an attempt of epoch `n` left in quarantine or state; None where it left none."""
    for table in (job.paths.quarantine, job.paths.state):
        stamp = last_stamp(table)
        if stamp is not None and (stamp.generation, stamp.epoch) == (job.generation.number, n):
            return stamp
    return None


def at_instant(job: Job, earlier: Provenance | None) -> Job:
    """The job with the instant that `run_ts()` is in this epoch, where its SQL says it: the one that is recorded, or now."""
    if not run_ts.says(job.flow):
        return job
    recorded = earlier.run_ts if earlier is not None else None
    return replace(job, run_ts=recorded or datetime.now(UTC).isoformat())
