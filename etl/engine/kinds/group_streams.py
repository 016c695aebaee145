"""What the query of a groups flow streams of each input: what tells the affected groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.identifiers import columns
from etl.engine.sources.files import CORRUPT, ORIGIN
from etl.engine.transform.apply import with_views

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.engine.job import Input, Job

INPUT = "_etl_input"
"""The column that names the input of a row, where several of them stream together."""


def with_groups(job: Job, flow_input: Input, raw: DataFrame) -> DataFrame:
    """Of an input's raw rows what an epoch of a groups flow needs to know: the input, the groups, what did not parse.

    Whether a row is malformed must not depend on which columns are asked for, so rows that can be travel whole.
    """
    name = F.lit(flow_input.name).alias(INPUT)
    corrupt = F.lit(None).cast("string").alias(CORRUPT) if flow_input.source.on_malformed == "fail" else F.col(CORRUPT)
    if flow_input.source.on_malformed == "fail" and not job.flow.views:
        # A table may have columns with these names: it is another flow's quarantine.
        return raw.select(name, corrupt, *_groups(job, flow_input.spec.name))
    origins = [origin for origin, _, _ in ORIGIN if origin in raw.columns and flow_input.source.on_malformed != "fail"]
    whole = F.struct(*columns(known for known in raw.columns if known not in (CORRUPT, *origins)))
    return raw.select(name, corrupt, *origins, whole.alias(row_column(job, flow_input)))


def groups_of(
    job: Job, session: SparkSession, flow_input: Input, micro_batch: DataFrame, others: Mapping[str, DataFrame]
) -> list[DataFrame]:
    """The groups of the rows of one input that parsed, from what `with_groups` made of them: of each way by which the flow reads them.

    `others`: the flow's inputs as they are at the epoch's end, which views may join.
    """
    row = row_column(job, flow_input)
    parsed = micro_batch.filter(F.col(CORRUPT).isNull())
    if row not in micro_batch.columns:
        return [parsed.select(*columns(group.column for group in job.flow.groups))]
    rows = with_views(job, session, {**others, flow_input.name: parsed.select(f"{row}.*")})
    read = [own for own in job.flow.own_inputs if job.flow.reads_through(flow_input.name, own)]
    return [rows[own.dataset].select(*_groups(job, own.name)) for own in read]


def row_column(job: Job, flow_input: Input) -> str:
    """The column in which an input's rows travel whole."""
    return f"_etl_row_{job.changes.index(flow_input)}"


def _groups(job: Job, name: str) -> list[Column]:
    return [F.expr(group.of(name)).alias(group.column) for group in job.flow.groups]
