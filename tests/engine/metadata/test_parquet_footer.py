"""How a Parquet file stores its values is told from its footer alone, without pyarrow; pyarrow writes the files here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etl.engine.metadata.parquet_footer import INT96, physical_types

MOMENT = datetime(9999, 12, 31, tzinfo=UTC)


def written(file: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, file, **options)
    return file


def table(rows: int = 1, columns: int = 1) -> pa.Table:
    """Timestamps, alone and inside structs and arrays, beside columns of other types."""
    values = {
        f"at_{i}": pa.array([MOMENT.replace(year=2024)] * rows, pa.timestamp("us", "UTC")) for i in range(columns)
    }
    values["inner"] = pa.array([{"x": [1.5]}] * rows, pa.struct({"x": pa.list_(pa.float64())}))
    values["flag"] = pa.array([True] * rows, pa.bool_())
    return pa.table(values).replace_schema_metadata({"a": "b", "long": "x" * 300})


def test_timestamps_as_int96_are_told_from_those_of_parquet_s_own_type(tmp_path: Path) -> None:
    old = written(tmp_path / "old.parquet", table(), use_deprecated_int96_timestamps=True)
    new = written(tmp_path / "new.parquet", table())
    assert INT96 in physical_types(old)
    assert physical_types(new) == {0, 2, 5}, "BOOLEAN, INT64 and DOUBLE"


def test_a_file_without_rows_stores_nothing(tmp_path: Path) -> None:
    assert physical_types(written(tmp_path / "none.parquet", table(0), use_deprecated_int96_timestamps=True)) == set()


def test_a_footer_longer_than_what_is_read_first_is_read_whole(tmp_path: Path) -> None:
    file = written(tmp_path / "wide.parquet", table(columns=2000), use_deprecated_int96_timestamps=True)
    assert int.from_bytes(file.read_bytes()[-8:-4], "little") > 1 << 16
    assert INT96 in physical_types(file)


@pytest.mark.parametrize("kept", [0, 7, 40])
def test_a_file_that_is_cut_off_is_told(tmp_path: Path, kept: int) -> None:
    file = written(tmp_path / "cut.parquet", table())
    content = file.read_bytes()
    file.write_bytes(content[:kept])
    with pytest.raises(ValueError, match="is no Parquet file"):
        physical_types(file)
    file.write_bytes(content[-8:-4].rjust(40, b"\xff") + b"PAR1")
    with pytest.raises(ValueError, match=r"cut off|damaged"):
        physical_types(file)
