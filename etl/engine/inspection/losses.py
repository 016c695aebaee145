"""How many of the rows that a generation has read can no longer be read: from the counts that its epochs left, without a scan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.sources.files import files_of_epoch
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from etl.engine.metadata.offset_log import OffsetLog
    from etl.planning.position import Drift


def with_lost_row_counts(drift: Drift, path: str, log: OffsetLog, epoch: int, *, streamed: bool, alone: bool) -> Drift:
    """A drift that lost files, saying in its detail how many rows they held, where that is known; others as they are.

    `path`: the generation's folder. `epoch`: its newest. `streamed`: each epoch has read files of its own. `alone`: no other input's
    rows are in the counts. An epoch counts the rows of all its files together, so the number is exact only where all of them are gone.
    """
    if drift.moved != "lost":
        return drift
    records = EpochRecords(path)
    packed = records.packed_counts()
    recorded = [packed.get(number) or records.counts(number) for number in (range(epoch + 1) if streamed else (epoch,))]
    rows = [counts_and_warnings[0].read for counts_and_warnings in recorded if counts_and_warnings is not None]
    total = sum(rows)
    if len(rows) < len(recorded) or total == 0:
        return drift  # an epoch has left no counts, or what is gone held nothing
    most, exact = (total, False) if not streamed else _of_epochs(drift, rows, log)
    exact = exact and alone
    if most == total:
        loss = f"{'' if exact else 'up to '}all {total:,} rows that were read"
    else:
        loss = f"{'' if exact else 'at most '}{most:,} of the {total:,} rows that were read"
    return replace(drift, detail=f"{drift.detail}, and with that {loss}")


def _of_epochs(drift: Drift, rows: list[int], log: OffsetLog) -> tuple[int, bool]:
    """The rows of the epochs that have read what is gone, and whether nothing else was read in them."""
    gone = set(drift.gone)
    if not gone:
        return sum(rows), False
    most, exact = 0, True
    try:
        for number, count in enumerate(rows):
            files = files_of_epoch(log, number).keys()
            if files & gone:
                most += count
                exact = exact and files <= gone
    except FlowFailed:  # Spark has cleaned the offsets of the first epochs away
        return sum(rows), False
    return (most, exact) if most else (sum(rows), False)
