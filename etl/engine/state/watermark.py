"""Late rows of a state flow: what is late in an epoch, left out before Spark's operators see it, and counted.

A row is late when its time is before the watermark of the epoch that brings it, or when it has no time. Spark's own operators each
have a rule of their own, and tell nobody which rows they left out; so that the target can be told from the rows alone, ours comes first, and
theirs then finds nothing. An epoch's watermark stands in its entry of the offset log, which is there before the epoch runs; the
query reads it from a file of one row that is written just before. It must be read by the tasks, not when the query is planned, which
is earlier: hence a cartesian product, and no broadcast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.frames.identifiers import columns
from etl.engine.metadata import offset_log
from etl.engine.sources.files import CORRUPT, ORIGIN
from etl.engine.state.event_time import NEWEST, with_clock, without_clock
from etl.engine.storage.places import place
from etl.planning.results import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Input, Job
    from etl.engine.storage.places import Place

_COUNTED = "_etl_in_"
_MARK = "_etl_watermark"
_DIGITS = 20  # of a fixed length, since the query knows the file's length from before


def _file(job: Job) -> Place:
    return place(job.generation.path, "etl", "watermark")


def set_watermark(job: Job, epoch: int) -> None:
    """Let the query see the watermark of the epoch whose rows it is about to compute."""
    write_watermark(job, offset_log.watermark(job.generation.checkpoint, epoch))


def write_watermark(job: Job, milliseconds: int) -> None:
    """Write the file that the query reads."""
    path = _file(job)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In place: nobody reads it now, and the next epoch rewrites it.
    path.write_text(f"{milliseconds:0{_DIGITS}d}", encoding="ascii")


def watermark_frame(job: Job, session: SparkSession) -> DataFrame:
    """The watermark as the one row of a table, read again by each epoch."""
    if not _file(job).exists():
        write_watermark(job, 0)
    text = session.read.schema("value STRING").text(str(_file(job)))
    return text.select(F.expr("timestamp_millis(cast(value AS BIGINT))").alias(_MARK))


def unset_watermark_frame(session: SparkSession) -> DataFrame:
    """What stands for `watermark_frame` where a plan is only looked at."""
    return session.range(1).select(F.expr("timestamp_millis(id)").alias(_MARK))


def with_watermark(
    job: Job, flow_input: Input, raw: DataFrame, *, watermark: DataFrame, clock: DataFrame | None
) -> DataFrame:
    """The rows of a changes input that parsed and are not late, under Spark's watermark; all of them are counted on the way.

    The observation above the watermark also keeps the optimiser from moving the transform's filters below it: the watermark
    depends on all rows that are not late, whatever the transform does with them.
    """
    watermark_spec = job.state.of(flow_input.spec.name)
    parses = flow_input.source.on_malformed != "fail"
    malformed = F.col(CORRUPT).isNotNull() if parses else F.expr("false")
    column = F.col(quoted(watermark_spec.column))
    # An operator that looks at the times of rows, not at the ends of their windows, takes a row of the watermark's very instant for
    # late; and a session that was closed at its end would have gone on with such a row. There Spark's watermark stays behind ours.
    behind = job.generation.behind_ms
    late = column.isNull() | (column < F.timestamp_millis(F.unix_millis(F.col(_MARK)) + behind))
    joined = raw.crossJoin(watermark.hint("shuffle_replicate_nl"))
    counts = [
        F.count(F.lit(1)).alias("read"),
        F.count_if(malformed).alias("malformed"),
        F.count_if(~malformed & late).alias("late"),
    ]
    apart = {CORRUPT, *(name for name, _, _ in ORIGIN)} if parses else set()
    own = [name for name in raw.columns if name not in apart]
    if parses:
        # Whether a row is malformed must not depend on which columns are asked for: this asks for all of them.
        nulls = [F.col(quoted(name)).isNull().cast("int") for name in own]
        counts.append(F.sum(sum(nulls[1:], nulls[0])).alias("nulls"))
    number = job.changes.index(flow_input)
    counted = joined.observe(f"{_COUNTED}{number}", *counts)
    kept = counted.filter(~malformed & ~late).select(*columns(own))
    if clock is not None:
        kept = with_clock(kept, watermark_spec.column, clock)
    kept = kept.withWatermark(watermark_spec.column, f"{watermark_spec.delay_ms + behind} milliseconds")
    kept = kept.observe(f"{NEWEST}{number}", F.unix_micros(F.max(column)).alias("newest"))
    return without_clock(kept, watermark_spec.column) if clock is not None else kept


def observed_counts(job: Job, progress: Iterable[Mapping[str, object]]) -> dict[int, Counts]:
    """What each epoch read of its inputs, by the progress that its query reports.

    Where an input's malformed rows are kept, those who keep them count what was read of it.
    """
    by_epoch: dict[int, Counts] = {}
    for report in progress:
        metrics = report["observedMetrics"]
        if not isinstance(metrics, dict):
            continue
        counts = Counts()
        for i, changes in enumerate(job.changes):
            row = metrics.get(f"{_COUNTED}{i}")
            if row is None:
                continue
            own = changes.source.on_malformed != "quarantine"
            counts += Counts(
                read=int(row["read"] or 0) if own else 0,
                dropped=int(row["malformed"] or 0) if own else 0,
                late=int(row["late"] or 0),
            )
        by_epoch[int(str(report["batchId"]))] = counts
    return by_epoch
