"""How far a table was read, as its stream's checkpoint tells it: what is not read yet is never taken for read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from etl.config.spec import SourceSpec
from etl.engine.metadata.offset_log import OffsetLog
from etl.engine.sources.source import open_source
from etl.planning.position import Drift


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of three versions, the last of two files."""
    path = tmp_path / "events"
    for ids in ([0], [1], [2, 3]):
        write_deltalake(path, pa.table({"id": ids, "v": ids}), mode="append", partition_by=["id"])
    return path


def drift(table: Path, offset: dict[str, Any]) -> Drift:
    """What is new to a stream whose epoch 4 ended at an offset of Delta's."""
    checkpoint = table.parent / "checkpoint"
    (checkpoint / "offsets").mkdir(parents=True)
    whole = {
        "sourceVersion": 3,
        "reservoirId": str(DeltaTable(table).metadata().id),
        "isStartingVersion": False,
        **offset,
    }
    (checkpoint / "offsets" / "4").write_text(f"v1\n{{}}\n{json.dumps(whole)}", encoding="utf-8")
    source, log = open_source(SourceSpec("events", "delta", str(table))), OffsetLog(str(checkpoint))
    return source.drift(source.position(log, 4, None), log, 4)


def vacuum(table: Path, version: int) -> None:
    for line in (table / "_delta_log" / f"{version:020}.json").read_text(encoding="utf-8").splitlines():
        if "add" in json.loads(line):
            (table / json.loads(line)["add"]["path"]).unlink()


def test_a_table_that_is_read_to_its_end_has_nothing_new(table: Path) -> None:
    assert drift(table, {"reservoirVersion": 3, "index": -1}).moved == "same"


def test_a_version_before_which_the_reading_stopped_is_new(table: Path) -> None:
    assert drift(table, {"reservoirVersion": 2, "index": -1}).moved == "more"


def test_a_version_that_a_rate_limit_has_cut_is_new(table: Path) -> None:
    assert drift(table, {"reservoirVersion": 2, "index": 0}).moved == "more"


@pytest.mark.parametrize("index", [-1, 0])
def test_a_version_not_read_to_its_end_whose_files_are_gone_is_told(table: Path, index: int) -> None:
    vacuum(table, 2)
    found = drift(table, {"reservoirVersion": 2, "index": index})
    assert (found.moved, found.detail) == ("rewritten", "the files of version 2 were vacuumed before they were read")


def test_files_that_went_after_they_were_read_are_not_missed(table: Path) -> None:
    vacuum(table, 1)
    assert drift(table, {"reservoirVersion": 2, "index": 0}).moved == "more"
