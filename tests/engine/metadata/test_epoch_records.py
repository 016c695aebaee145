"""What epochs leave behind, each in a small file, and together once they are many."""

from __future__ import annotations

from pathlib import Path

from etl.engine.metadata.epoch_records import EpochRecords
from etl.planning.results import Counts


def test_counts_that_are_packed_are_read_as_before_and_the_newest_hundred_stay_apart(tmp_path: Path) -> None:
    records = EpochRecords(str(tmp_path / "g0"))
    assert records.packable() == ()
    for epoch in range(130):
        records.record_counts(epoch, Counts(read=epoch), {"late": epoch})
    assert records.packable() == tuple(range(30))
    records.pack_counts(records.packable())
    records.record_counts(130, Counts(read=130), {})
    records.pack_counts(records.packable())
    assert [records.counts(epoch) for epoch in (0, 30, 31, 129)] == [
        (Counts(read=epoch), {"late": epoch}) for epoch in (0, 30, 31, 129)
    ]
    assert records.counts(131) is None
    assert sorted(int(item.stem) for item in (tmp_path / "g0" / "etl" / "counts").iterdir()) == list(range(31, 131))
    assert sorted(records.packed_counts()) == list(range(31))
