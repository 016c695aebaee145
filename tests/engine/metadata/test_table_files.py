"""The files of a table by its log, by its folder, and by its checkpoint where the log was cleaned. Another writer makes the tables."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from etl.engine.lookup.live_files import live_files
from etl.engine.maintenance.tables import Table
from etl.engine.metadata.table_files import file_count, is_whole, logged_files, remove_file, stored_files
from etl.planning.maintenance import Needs

DAYS = ["mon", "it's 100% a/b", "", None]


def append(table: Path, number: int) -> None:
    rows = pa.table({"id": pa.array([number] * len(DAYS), pa.int32()), "day": pa.array(DAYS, pa.string())})
    write_deltalake(str(table), rows, mode="append", partition_by=["day"])


def test_a_log_tells_what_a_table_holds_and_held_by_the_names_that_are_on_disk(tmp_path: Path) -> None:
    table = tmp_path / "t"
    for number in range(3):
        append(table, number)
    DeltaTable(str(table)).delete("id = 1")
    logged = logged_files(str(table))
    assert logged is not None
    assert (logged.version, logged.first_version) == (3, 0)
    on_disk = {str(file.relative_to(table)) for file in table.rglob("*.parquet")}
    assert set(logged.live) | set(logged.removed) == on_disk
    assert {file.path for file in stored_files(str(table), but=())} == on_disk
    assert {file.partition for file in logged.live.values()} == {(("day", day or None),) for day in DAYS}
    gone = {removal.version for removal in logged.removed.values()}
    assert gone == {3}
    assert logged_files(str(tmp_path / "none")) is None


def test_a_cleaned_log_and_its_checkpoint_tell_the_same_table(tmp_path: Path) -> None:
    table = tmp_path / "t"
    for number in range(3):
        append(table, number)
    DeltaTable(str(table)).delete("id = 1")
    whole = logged_files(str(table))
    DeltaTable(str(table)).create_checkpoint()
    append(table, 4)
    for version in range(4):
        (table / "_delta_log" / f"{version:020d}.json").unlink()
    assert not is_whole(str(table))
    cleaned = Table("target", str(table), 1000).logged()
    assert whole is not None
    assert cleaned is not None
    assert set(cleaned.live) > set(whole.live)
    assert cleaned.first_version == 4
    assert {(file.path, file.bytes, file.partition) for file in live_files(str(table)) or ()} == {
        (file.path, file.bytes, file.partition) for file in cleaned.live.values()
    }
    old = set(whole.removed)
    for file in table.rglob("*.parquet"):
        os.utime(file, (1, 1))
    may_go = Table("target", str(table), 1000).unneeded(cleaned, Needs(1000))
    assert {file.path for file in may_go} == old  # and nothing that the checkpoint names
    assert Table("target", str(table), 1000).unneeded(cleaned, Needs(1000, version=3, reader="late")) == ()


def test_a_table_within_a_table_the_log_and_hidden_files_are_no_files_of_it(tmp_path: Path) -> None:
    outer, inner = tmp_path / "t", tmp_path / "t" / "inner"
    append(outer, 1)
    append(inner, 1)
    for name in ("_hidden/a.parquet", ".b.parquet", "c.txt", "_change_data/d.parquet", "day=x/_change_data/e.parquet"):
        (outer / name).parent.mkdir(parents=True, exist_ok=True)
        (outer / name).write_text("x", encoding="utf-8")
    logged = logged_files(str(outer))
    assert logged is not None
    found = {file.path for file in stored_files(str(outer), but=logged.live)}
    assert found == {"_change_data/d.parquet"}
    (outer / "_change_data" / ".d.parquet.crc").write_text("x", encoding="utf-8")
    remove_file(str(outer), "_change_data/d.parquet")
    assert list((outer / "_change_data").iterdir()) == []


def test_how_many_files_a_table_holds_is_known_only_from_a_checksum(tmp_path: Path) -> None:
    table = tmp_path / "t"
    write_deltalake(
        str(table), pa.table({"id": [1]}), commit_properties=CommitProperties(custom_metadata={"userMetadata": "{}"})
    )
    assert file_count(str(table)) is None  # delta-rs writes none
    (table / "_delta_log" / f"{0:020d}.crc").write_text('{"numFiles": 7}', encoding="utf-8")
    assert file_count(str(table)) == 7
    assert file_count(str(tmp_path / "none")) is None
