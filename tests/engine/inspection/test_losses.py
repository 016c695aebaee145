"""How many rows are lost with a file is told from the counts that epochs left, and only where those tell it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl.engine.inspection.losses import with_lost_row_counts
from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.metadata.offset_log import OffsetLog
from etl.planning.position import Drift
from etl.planning.results import Counts

FILES = [["/in/a.csv"], ["/in/b.csv", "/in/c.csv"], ["/in/d.csv"]]
READ = [100, 20, 3]


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    """A generation whose epochs 0, 1 and 2 have read FILES, with READ rows."""
    (tmp_path / "offsets").mkdir()
    (tmp_path / "sources" / "0").mkdir(parents=True)
    for epoch, (files, read) in enumerate(zip(FILES, READ, strict=True)):
        (tmp_path / "offsets" / str(epoch)).write_text(f'v1\n{{}}\n{{"logOffset":{epoch}}}', encoding="utf-8")
        lines = [json.dumps({"path": f"file://{name}", "timestamp": 1, "batchId": epoch}) for name in files]
        (tmp_path / "sources" / "0" / str(epoch)).write_text("\n".join(["v1", *lines]), encoding="utf-8")
        EpochRecords(str(tmp_path)).record_counts(epoch, Counts(read=read), {})
    return tmp_path


def told(generation: Path, *gone: str, epoch: int = 2, streamed: bool = True, alone: bool = True) -> str:
    drift = Drift("lost", "gone", gone=gone)
    return with_lost_row_counts(
        drift, str(generation), OffsetLog(str(generation)), epoch, streamed=streamed, alone=alone
    ).detail


def test_all_files_of_an_epoch_are_its_rows_and_some_of_them_at_most(generation: Path) -> None:
    assert told(generation, "/in/a.csv") == "gone, and with that 100 of the 123 rows that were read"
    assert told(generation, "/in/a.csv", "/in/d.csv").endswith("that 103 of the 123 rows that were read")
    assert told(generation, *(name for files in FILES for name in files)).endswith("that all 123 rows that were read")
    assert told(generation, "/in/c.csv").endswith("that at most 20 of the 123 rows that were read")
    assert told(generation, "/in/c.csv", "/in/d.csv").endswith("that at most 23 of the 123 rows that were read")


def test_where_counts_hold_more_than_these_files_the_number_is_a_bound(generation: Path) -> None:
    assert told(generation, "/in/a.csv", alone=False).endswith("that at most 100 of the 123 rows that were read")
    assert told(generation).endswith("that up to all 123 rows that were read"), "which files is not known"
    assert told(generation, "/in/a.csv", streamed=False).endswith("that up to all 3 rows that were read")


def test_without_all_counts_there_is_no_number(generation: Path) -> None:
    (generation / "etl" / "counts" / "1.json").unlink()
    assert told(generation, "/in/a.csv") == "gone"


def test_offsets_that_spark_cleaned_away_leave_the_whole_as_the_bound(generation: Path) -> None:
    (generation / "offsets" / "0").unlink()
    assert told(generation, "/in/d.csv").endswith("that up to all 123 rows that were read")


def test_what_is_not_lost_stays_as_it_is(generation: Path) -> None:
    drift = Drift("rewritten", "changed")
    assert (
        with_lost_row_counts(drift, str(generation), OffsetLog(str(generation)), 2, streamed=True, alone=True) is drift
    )
