"""The sinks: how an epoch's good rows reach the target. Only `run_epoch` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.sinks import append, merge, overwrite, replace, scd2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import Strategy
    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance

    Write = Callable[[], int | None]

# A sink commits its state when it is entered, and the target when what it gave is called: quarantine comes between. The call
# returns how many rows it wrote, or None where that is every row that the sink was given.
SINKS: Mapping[
    Strategy, Callable[[Job, SparkSession, DataFrame, Replaces, Provenance], AbstractContextManager[Write]]
] = {
    "append": append.sink,
    "merge": merge.sink,
    "scd2": scd2.sink,
    "replace": replace.sink,
    "overwrite": overwrite.sink,
}
