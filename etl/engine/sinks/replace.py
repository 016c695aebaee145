"""`replace`: the touched groups, whole; epoch 0 replaces everything."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.engine.output import Groups
from etl.engine.replacement import replace_groups
from etl.engine.sinks.overwrite import create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance


@contextmanager
def sink(
    job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance
) -> Iterator[Callable[[], int | None]]:
    """One commit: the groups that are gone, and the rows that stand in their place."""
    yield lambda: _write(job, session, rows, replaces, stamp)


def _write(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    if isinstance(replaces, Groups):
        replace_groups(session, job.paths.target, rows, replaces, stamp)
    elif replaces == "all":
        create(job, session, rows, stamp)
    else:
        message = f"flow '{job.flow.name}': rows without their groups cannot replace anything"
        raise ValueError(message)
