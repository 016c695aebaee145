"""The kinds of processing are told in two places, a value with Spark and traits without: they say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from etl.engine.kinds import KINDS
from etl.engine.kinds.kind import StreamedKind
from etl.engine.metadata.generations import newest_opened
from etl.engine.storage.layout import FlowPaths
from etl.planning.kinds import KIND_TRAITS, Kind, stored_kind


def test_each_kind_has_a_value_and_traits_and_both_say_whether_it_streams() -> None:
    assert KINDS.keys() == KIND_TRAITS.keys() == set(get_args(Kind))
    assert {name: isinstance(kind, StreamedKind) for name, kind in KINDS.items()} == {
        name: traits.streams for name, traits in KIND_TRAITS.items()
    }


def test_the_kind_of_a_foreign_stamp_is_rows() -> None:
    assert [stored_kind(name) for name in ("state", "groupz", None, ["rows"])] == ["state", "rows", "rows", "rows"]


@pytest.mark.parametrize("kind", ["groupz", ["rows"], None, 7])
def test_a_record_with_a_kind_that_nobody_knows_is_damaged(tmp_path: Path, kind: object) -> None:
    paths = FlowPaths(*(str(tmp_path / name) for name in ("target", "quarantine", "state", "checkpoints")))
    folder = Path(paths.generation(0))
    folder.mkdir(parents=True)
    record = {"generation": 0, "fingerprint": "f", "kind": kind, "run": "r"}
    (folder / "generation.json").write_text(json.dumps(record), encoding="utf-8")
    opened = newest_opened(paths)
    assert opened is not None
    assert "the record of generation 0 cannot be read" in opened.damage
