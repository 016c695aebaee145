"""Which tables delta-rs is trusted with."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import convert_to_deltalake, write_deltalake

from etl.engine.lookup.delta_table import Unreadable, open_table


def table_with(folder: Path, features: list[str]) -> str:
    """A table of one row whose readers must know some features."""
    write_deltalake(folder, pa.table({"id": [1]}))
    commit = folder / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": features,
                "writerFeatures": features,
            }
    commit.write_text("\n".join(map(json.dumps, actions)), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize("feature", ["typeWidening", "vacuumProtocolCheck", "variantShredding-preview"])
def test_a_feature_that_delta_rs_does_not_read_is_named(tmp_path: Path, feature: str) -> None:
    path = table_with(tmp_path / "t", [feature])
    with pytest.raises(Unreadable, match=f"it needs {feature}"):
        open_table("t", path, ours=True)


@pytest.mark.parametrize("feature", ["columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "variantType"])
def test_what_it_reads_right_it_is_given(tmp_path: Path, feature: str) -> None:
    table = open_table("t", table_with(tmp_path / "t", [feature]), ours=True)
    assert table.query("SELECT * FROM t", limit=5).num_rows == 1


@pytest.mark.parametrize("int96", [True, False])
def test_timestamps_as_int96_are_found_in_a_table_of_others(tmp_path: Path, *, int96: bool) -> None:
    at = pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))})
    pq.write_table(at, tmp_path / "a part.parquet", use_deprecated_int96_timestamps=int96)
    convert_to_deltalake(tmp_path)
    if not int96:
        assert open_table("t", str(tmp_path), ours=False).whole().num_rows == 1
        return
    with pytest.raises(Unreadable, match="INT96"):
        open_table("t", str(tmp_path), ours=False)


def test_a_damaged_file_is_left_to_spark_which_says_what_is_wrong(tmp_path: Path) -> None:
    at = pa.table({"at": pa.array([0], pa.timestamp("us", "UTC"))})
    write_deltalake(tmp_path, at)
    next(tmp_path.glob("*.parquet")).write_bytes(b"no Parquet")
    with pytest.raises(Unreadable):
        open_table("t", str(tmp_path), ours=False)


def test_a_place_that_is_no_file_system_of_ours_is_left_to_spark() -> None:
    with pytest.raises(Unreadable, match="it lies in hdfs://"):
        open_table("t", "hdfs://host/t", ours=False)
