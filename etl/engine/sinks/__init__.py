"""The sinks: how an epoch's good rows reach the target. Only `run_epoch` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.sinks import append, merge, overwrite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import Strategy
    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance

# Each returns how many rows it wrote, or None where that is every row it was given.
SINKS: Mapping[Strategy, Callable[[Job, SparkSession, DataFrame, Replaces, Provenance], int | None]] = {
    "append": append.write,
    "merge": merge.write,
    "overwrite": overwrite.write,
}
