"""A merge that deletes remembers what it deleted: an older row that comes later does not bring the key back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import etl
from tests.support.independent import rows

PIPELINE = """
version: 1
name: shop
sources:
  changes: {format: json, path: landing, schema: "id BIGINT, seq BIGINT, gone BOOLEAN"}
flows:
  living:
    inputs: [changes]
    incremental: rows
    sink: {strategy: merge, keys: [id], sequence_by: [seq], delete_when: gone}
"""


@pytest.mark.spark
@pytest.mark.parametrize("first", ["batch", "stream"])
def test_an_older_row_that_comes_after_the_delete_does_not_bring_the_key_back(
    project: Callable[[Mapping[str, str]], Path], first: str
) -> None:
    root = project({"pipelines/shop.yml": PIPELINE})
    (root / "landing").mkdir()

    def run(mode: str, name: str, *found: tuple[int, int, bool]) -> list[tuple[int, int]]:
        lines = [json.dumps({"id": key, "seq": seq, "gone": gone}) for key, seq, gone in found]
        (root / "landing" / name).write_text("\n".join(lines), encoding="utf-8")
        assert etl.load("shop").run(mode=mode).status == "succeeded"  # type: ignore[arg-type]  # a text of the test's own
        return rows(root / ".etl" / "local" / "tables" / "shop" / "living", "id, seq")

    assert run(first, "1.json", (1, 1, False), (2, 5, True)) == [
        (1, 1)
    ]  # a delete of what was never there, in the first epoch
    assert run("stream", "2.json", (1, 5, True)) == []  # and of what was
    assert run("stream", "3.json", (1, 3, False), (2, 3, False)) == []
    assert run("stream", "4.json", (1, 6, False), (2, 4, False)) == [(1, 6)]
