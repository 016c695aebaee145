"""The kinds of processing: how an epoch's output is made from its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.kinds import full, groups, rows, state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job
    from etl.engine.output import Output, Span
    from etl.planning.plan import Kind

KINDS: Mapping[Kind, Callable[[Job, SparkSession, Span, DataFrame | None, Caches], Output]] = {
    "rows": rows.output,
    "groups": groups.output,
    "state": state.output,
    "full": full.output,
}
