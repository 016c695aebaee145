"""The rows a flow quarantined, with the reason beside them: one table a flow, committed before the target.

Columns: `_etl_reason` ("malformed", or the violated expectations in the order of the file), `_etl_input` (the source of a
malformed row), `_etl_record` (its text), `_etl_file`, `_etl_file_time` (where that lay), `_etl_generation`, `_etl_epoch`, then the columns
of the transform's output.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.commits.commit import committed_epoch, mapping, stamped, with_properties
from etl.engine.commits.create import replace_side_table
from etl.engine.commits.replacement import replace_groups, replace_rows
from etl.engine.frames.identifiers import columns, table
from etl.engine.inspection.side_tables import sets_aside
from etl.engine.metadata.delta_log import log_versions
from etl.engine.output import Groups, Rows
from etl.engine.sources.files import CORRUPT, ORIGIN
from etl.engine.transform.expectations import REASON

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Output
    from etl.engine.transform.expectations import Checked

MALFORMED = "malformed"


def may_quarantine(job: Job) -> bool:
    """Whether the flow has a quarantine table at all."""
    return sets_aside(job.flow, (item.source for item in job.inputs))


def write(job: Job, session: SparkSession, output: Output, checked: Checked, stamp: Provenance, *, count: int) -> None:
    """Commit the epoch's quarantined rows; nothing where there are none and the table is there already."""
    replacing = output.replaces == "all"
    newest_epoch = committed_epoch(job.paths.quarantine, stamp) if stamp.backfill is None else None
    if newest_epoch is not None and newest_epoch >= stamp.epoch:
        return  # an attempt that died before the target came so far
    may_hold = isinstance(output.replaces, Groups | Rows) and checked.quarantines
    if count == 0 and not replacing and not may_hold and log_versions(job.paths.quarantine):
        return
    rows = _rows(output, checked, stamp)
    if not replacing and log_versions(job.paths.quarantine):
        _make_room(job, session)
    if isinstance(output.replaces, Groups) and checked.quarantines:
        # The rows of the affected groups were judged again; what did not parse was judged when it came.
        among = f"t.{CORRUPT} IS NULL"
        replace_groups(session, job.paths.quarantine, rows, output.replaces, stamp.for_side_tables, among=among)
        return
    if isinstance(output.replaces, Rows):
        condition = f"{output.replaces.condition} AND {CORRUPT} IS NULL"
        replace_rows(session, job.paths.quarantine, rows, condition, stamp.for_side_tables)
        return
    if replacing:
        replace_side_table(job, session, job.paths.quarantine, rows, stamp)
        return
    with stamped(session, stamp, job.paths.quarantine):
        with_properties(rows.write.format("delta").mode("append"), mapping(job.flow)).save(job.paths.quarantine)


def _make_room(job: Job, session: SparkSession) -> None:
    """Add the columns that a quarantine of an older build lacks, which told of no files. ALTER TABLE changes no row, so it carries no stamp."""
    present = session.read.format("delta").load(job.paths.quarantine).columns
    after = CORRUPT
    for name, kind, _ in ORIGIN:
        if name not in present:
            session.sql(f"ALTER TABLE {table(job.paths.quarantine)} ADD COLUMNS ({name} {kind} AFTER {after})")
        after = name


def _rows(output: Output, checked: Checked, stamp: Provenance) -> DataFrame:
    nothing = (
        checked.rows.select(*columns(checked.columns))
        .filter(F.expr("false"))
        .withColumn(REASON, F.lit(None).cast("string"))
    )
    violating = checked.quarantined if checked.quarantines else nothing
    absent = {
        name: F.lit(None).cast(kind)
        for name, kind, _ in (("_etl_input", "STRING", ""), (CORRUPT, "STRING", ""), *ORIGIN)
    }
    parts = [violating.withColumns(absent)]
    parts += [
        parsed_input.malformed.withColumns({REASON: F.lit(MALFORMED), "_etl_input": F.lit(name)})
        for name, parsed_input in output.parsed_inputs.items()
        if parsed_input.malformed is not None
    ]
    rows = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), parts)
    rows = rows.withColumns(
        {"_etl_generation": F.lit(stamp.generation).cast("bigint"), "_etl_epoch": F.lit(stamp.epoch).cast("bigint")}
    )
    own = [REASON, "_etl_input", CORRUPT, *(name for name, _, _ in ORIGIN), "_etl_generation", "_etl_epoch"]
    return rows.select(*own, *columns(checked.columns))
