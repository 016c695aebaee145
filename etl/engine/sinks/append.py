"""`append`: rows are added; epoch 0 of a generation replaces what was there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etl.engine.commits.commit import stamped
from etl.engine.commits.create import create
from etl.engine.commits.epoch_commits import TargetCommit
from etl.engine.commits.replacement import replace_groups, replace_rows
from etl.engine.output import Groups, Rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """One commit, empty or not, so that the target's log tells the position of every epoch."""
    return TargetCommit(partial(_write, job, session, rows, replaces, stamp))


def _write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    if replaces == "all":
        create(job, session, rows, stamp)
        return
    if isinstance(replaces, Rows):
        replace_rows(session, job.paths.target, rows, replaces.condition, stamp)
        return
    if isinstance(replaces, Groups):  # a replay of the quarantine
        replace_groups(session, job.paths.target, rows, replaces, stamp)
        return
    with stamped(session, stamp, job.paths.target):
        rows.write.format("delta").mode("append").save(job.paths.target)
