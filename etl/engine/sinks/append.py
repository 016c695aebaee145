"""`append`: rows are added; epoch 0 of a generation replaces what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.commit import stamped
from etl.engine.sinks.overwrite import create

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance


def write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> int | None:
    """One commit, empty or not, so that the target's log tells the position of every epoch."""
    if replaces == "all":
        create(job, session, rows, stamp)
        return None
    with stamped(session, stamp):
        rows.write.format("delta").mode("append").save(job.paths.target)
    return None
