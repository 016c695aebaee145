"""`etl checkpoints repair` mends what needs no rebuild, and tells the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec
from etl.engine.metadata.generations import Generation, newest_opened, open_generation
from etl.engine.metadata.provenance import Provenance
from etl.engine.storage.layout import FlowPaths
from etl.operations.maintenance.repair import FlowRepair, repair

FLOW = FlowSpec("f", (InputSpec("s"),))


def spec(root: Path) -> PipelineSpec:
    return PipelineSpec("p", root / "p.yml", root, root, "local", str(root), (SourceSpec("s", "delta", "/d"),), (FLOW,))


def build(root: Path) -> Path:
    """Generation 0 with epochs 0 and 1 committed and epoch 2 offered; its folder."""
    for epoch in range(2):
        stamp = Provenance("p", "f", "r", 0, epoch, None, {"s": {"version": epoch}}, "x")
        commit(root / "tables" / "p" / "f", epoch, stamp)
    paths = FlowPaths.of(spec(root), FLOW)
    folder = Path(paths.generation(0))
    open_generation(Generation(0, str(folder), "x", "rows", "r"))
    for log, count, text in (
        ("offsets", 3, 'v1\n{"conf":{}}\n{"index":-1}'),
        ("commits", 2, 'v1\n{"nextBatchWatermarkMs":0}'),
    ):
        (folder / log).mkdir()
        for epoch in range(count):
            (folder / log / str(epoch)).write_text(text, encoding="utf-8")
    (folder / "metadata").write_text('{"id":"a"}', encoding="utf-8")
    return folder


def commit(table: Path, version: int, stamp: Provenance) -> None:
    log = table / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    actions = [
        {"commitInfo": {"operation": "WRITE", "userMetadata": stamp.dumps()}},
        {"txn": {"appId": stamp.app_id, "version": stamp.epoch}},
        {"add": {"path": "x", "dataChange": True}},
    ]
    (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)), encoding="utf-8")


def repaired(root: Path) -> FlowRepair:
    (found,) = repair(spec(root))
    return found


def test_what_is_whole_is_left_alone(tmp_path: Path) -> None:
    build(tmp_path)
    assert repaired(tmp_path) == FlowRepair("f", (), ())
    assert repair(spec(tmp_path / "empty")) == (FlowRepair("f", (), ()),)


@pytest.mark.parametrize("text", ["", "v1", "v1\n{", "\0\0"])
@pytest.mark.parametrize("name", ["metadata", "generation.json", "commits/1", "offsets/2"])
def test_a_damaged_file_that_the_tables_make_up_for_is_mended(tmp_path: Path, name: str, text: str) -> None:
    folder = build(tmp_path)
    if (name, text) == ("commits/1", "v1"):
        text = "v2"  # a commit without a line says no less than one with it
    (folder / name).write_text(text, encoding="utf-8")
    found = repaired(tmp_path)
    assert (len(found.mended), found.left) == (1, ())
    assert name in found.mended[0]
    opened = newest_opened(FlowPaths.of(spec(tmp_path), FLOW))
    assert opened is not None
    assert (opened.damage, opened.fingerprint, opened.kind) == ("", "x", "rows")
    assert repaired(tmp_path) == FlowRepair("f", (), ())


def test_all_of_them_at_once_are_mended_in_one_go(tmp_path: Path) -> None:
    folder = build(tmp_path)
    for name in ("metadata", "generation.json", "commits/1", "offsets/2"):
        (folder / name).write_text("?", encoding="utf-8")
    found = repaired(tmp_path)
    assert (len(found.mended), found.left) == (4, ())
    assert len(list((folder / "etl" / "set-aside").iterdir())) == 3  # the record was only overwritten


def hole(folder: Path) -> None:
    (folder / "offsets" / "1").unlink()


def committed_offset(folder: Path) -> None:
    (folder / "offsets" / "1").write_text("?", encoding="utf-8")


def half_written_epoch(folder: Path) -> None:
    (folder / "offsets" / "2").write_text("?", encoding="utf-8")
    root = folder.parents[3]
    commit(root / "quarantine" / "p" / "f", 0, Provenance("p", "f", "r", 0, 2, None, {}, "x"))


def foreign(folder: Path) -> None:
    table = folder.parents[3] / "tables" / "p" / "f" / "_delta_log"
    (table / f"{2:020}.json").write_text('{"commitInfo":{"operation":"WRITE"}}\n{"add":{"path":"y"}}', encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (hole, "offsets have a hole"),
        (committed_offset, "offsets/1 cannot be read"),
        (half_written_epoch, "offsets/2 cannot be read"),
        (foreign, "somebody else has changed rows of the target"),
    ],
)
def test_what_cannot_be_mended_is_told_and_left(tmp_path: Path, make: Callable[[Path], None], told: str) -> None:
    make(build(tmp_path))
    found = repaired(tmp_path)
    assert (found.mended, len(found.left)) == ((), 1)
    assert told in found.left[0]
    assert repaired(tmp_path) == found  # and nothing was touched


def test_a_record_of_an_interrupted_generation_cannot_be_made_up(tmp_path: Path) -> None:
    build(tmp_path)
    paths = FlowPaths.of(spec(tmp_path), FLOW)
    open_generation(replace(Generation(0, paths.generation(1), "y", "rows", "r"), number=1))
    Path(paths.generation(1), "generation.json").write_text("{", encoding="utf-8")
    found = repaired(tmp_path)
    assert (found.mended, len(found.left)) == ((), 1)
