"""Epochs of a rebuilt state flow that are staged: all of them replace the target in one commit, when nothing more is due."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.identifiers import columns
from etl.engine.metadata.generations import generation_numbers
from etl.engine.storage.places import place, remove_tree

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.engine.job import Job

_EPOCH = "_etl_epoch"


def stage(job: Job, rows: DataFrame, epoch: int) -> None:
    """Keep an epoch's results; kept again, they replace what a broken attempt has left."""
    rows.write.mode("overwrite").parquet(str(job.generation.staged_results / str(epoch)))


def compute(rows: DataFrame) -> None:
    """Compute an epoch's results and keep none of them, as the target has them already."""
    rows.write.format("noop").mode("overwrite").save()


def staged_rows(job: Job, session: SparkSession, upto: int) -> DataFrame | None:
    """The results of all epochs up to `upto`, of a merge the newest of each key; None where there are none."""
    epochs = [epoch for epoch in range(upto + 1) if (job.generation.staged_results / str(epoch)).is_dir()]
    if not epochs:
        return None
    parts = [
        session.read.parquet(str(job.generation.staged_results / str(epoch))).withColumn(
            _EPOCH, F.lit(epoch).cast("bigint")
        )
        for epoch in epochs
    ]
    rows = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    if job.strategy == "merge" and len(epochs) > 1:
        newest = rows.groupBy(*columns(job.flow.sink.keys)).agg(
            F.max_by(F.struct(*columns(rows.columns)), _EPOCH).alias("_")
        )
        rows = newest.select("_.*")
    return rows.drop(_EPOCH)


def remove_staged(job: Job) -> None:
    """Remove what was staged, once the target holds it; that of earlier rebuilds, which died, goes with it."""
    for number in generation_numbers(job.paths):
        if number <= job.generation.number:
            remove_tree(place(job.paths.generation(number), "etl", "held"))
