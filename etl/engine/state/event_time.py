"""The newest time of each input of a state flow, kept from run to run where it reads several inputs.

The watermark is the least of what the inputs have come to. Spark's checkpoint keeps that least alone, so a query that starts again
would wait for rows of every input before its watermark moves, and results that one batch closes would stay open. So each
run tells the query, by a small file that streams beside each input, how far that input had come.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.storage.json_files import read_json, write_json
from etl.engine.storage.places import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Input, Job
    from etl.engine.storage.places import Place

NEWEST = "_etl_newest_"
"""What the query calls the newest time of an input in its progress; the input's number follows."""
IS_CLOCK_ROW = "_etl_told"
"""The column that is true on a row that is none of the input's own."""


def has_clock(job: Job) -> bool:
    """Whether the query needs to be told: the watermark of one input is in Spark's checkpoint."""
    return len(job.changes) > 1


def _folder(job: Job, flow_input: Input) -> Place:
    return place(job.generation.path, "etl", "clock", str(job.changes.index(flow_input)))


def _record(job: Job) -> Place:
    return place(job.generation.path, "etl", "newest.json")


def record_newest(job: Job, progress: Iterable[Mapping[str, object]]) -> None:
    """Remember the newest time of each input, in microseconds since 1970, by what the query reports."""
    if not has_clock(job):
        return
    recorded = read_json(_record(job)) or {}
    newest = dict(recorded)
    for report in progress:
        metrics = report["observedMetrics"]
        if not isinstance(metrics, dict):
            continue
        for i, changes in enumerate(job.changes):
            row = metrics.get(f"{NEWEST}{i}")
            if row is not None and row["newest"] is not None:
                newest[changes.name] = max(int(row["newest"]), newest.get(changes.name, 0))
    if newest != recorded:
        write_json(_record(job), newest)


def publish_newest(job: Job) -> None:
    """Before a query starts: let it read how far each input had come."""
    if not has_clock(job):
        return
    newest = read_json(_record(job)) or {}
    for flow_input in job.changes:
        folder = _folder(job, flow_input)
        folder.mkdir(parents=True, exist_ok=True)
        if flow_input.name in newest:
            number = 1 + max((int(file.stem) for file in folder.glob("*.json")), default=-1)
            # Spark takes a file as it is when first seen: written under a name that it passes over, then renamed.
            draft = folder / f"_{number}"
            draft.write_text(json.dumps({"at": newest[flow_input.name]}), encoding="utf-8")
            draft.replace(str(folder / f"{number}.json"))


def clock_stream(job: Job, flow_input: Input, session: SparkSession) -> DataFrame:
    """How far the input had come, as a stream of one column `at`."""
    return session.readStream.schema("at BIGINT").option("pathGlobFilter", "*.json").json(str(_folder(job, flow_input)))


def unread_clock(session: SparkSession) -> DataFrame:
    """What stands for `clock_stream` where a plan is only looked at."""
    return session.readStream.format("rate").load().select(F.col("value").alias("at"))


def with_clock(rows: DataFrame, column: str, clock: DataFrame) -> DataFrame:
    """The rows of an input, and those of its clock, which have nothing but a time; IS_CLOCK_ROW tells them apart."""
    clock_columns = [
        F.timestamp_micros("at").alias(field.name)
        if field.name.lower() == column.lower()
        else F.lit(None).cast(field.dataType).alias(field.name)
        for field in rows.schema.fields
    ]
    both = rows.withColumn(IS_CLOCK_ROW, F.lit(False))  # noqa: FBT003  # a value, not a flag
    return both.unionByName(clock.select(*clock_columns).withColumn(IS_CLOCK_ROW, F.lit(True)))  # noqa: FBT003  # likewise


def without_clock(rows: DataFrame, column: str) -> DataFrame:
    """The input's own rows. The filter looks at the time as well, or Spark would move it to where the clock is not yet heard."""
    return rows.filter(~F.col(IS_CLOCK_ROW) | F.col(quoted(column)).isNull()).drop(IS_CLOCK_ROW)
