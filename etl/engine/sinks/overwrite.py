"""`overwrite`: the whole target is replaced in one commit, so that no reader ever sees it empty."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from etl.engine.commits.create import create
from etl.engine.commits.epoch_commits import TargetCommit

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """Replace the target; only an output that replaces everything may come here."""
    if replaces != "all":
        message = f"flow '{job.flow.name}': an overwrite of a part of the target was asked for"
        raise ValueError(message)
    return TargetCommit(partial(create, job, session, rows, stamp))
