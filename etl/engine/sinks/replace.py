"""`replace`: the affected groups, whole; epoch 0 replaces everything."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etl.engine.commits.create import create
from etl.engine.commits.epoch_commits import TargetCommit
from etl.engine.commits.replacement import replace_groups
from etl.engine.output import Groups

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """One commit: the groups that are gone, and the rows that stand in their place."""
    return TargetCommit(partial(_write, job, session, rows, replaces, stamp))


def _write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    if isinstance(replaces, Groups):
        replace_groups(session, job.paths.target, rows, replaces, stamp)
    elif replaces == "all":
        create(job, session, rows, stamp)
    else:
        message = f"flow '{job.flow.name}': rows without their groups cannot replace anything"
        raise ValueError(message)
