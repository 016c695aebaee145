"""What a look at folders sees, and how soon it tells of the same thing no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.engine.inspection import arrivals
from etl.engine.inspection.arrivals import Watch

Write = Callable[[Mapping[str, str]], Path]

YAML = """
version: 1
name: p
sources:
  folder: {format: csv, path: landing, schema: "id INT"}
  chosen: {format: csv, path: "globs/*.csv", schema: "id INT"}
  alone: {format: csv, path: one.csv, schema: "id INT"}
  ticks: {format: rate}
flows:
  first: {inputs: {folder: changes, chosen: snapshot, alone: snapshot}, transform: {sql: "SELECT f.id FROM folder f JOIN chosen c ON f.id = c.id JOIN alone a ON f.id = a.id"}, incremental: rows}
  second: {inputs: [first], incremental: rows}
  far: {inputs: [ticks], incremental: rows}
"""


@pytest.fixture
def root(project: Write) -> Path:
    files = {"landing/1.csv": "1\n", "globs/1.csv": "1\n", "one.csv": "1\n"}
    return project({"pipelines/p.yml": YAML, **files})


def watch(root: Path, flow: str) -> Watch:
    spec = load(root / "pipelines" / "p.yml")
    return Watch(spec, next(item for item in spec.flows if item.name == flow))


def settled(watching: Watch) -> None:
    """It has told once more what it saw, and is still."""
    time.sleep(2 * arrivals.TICK_S)
    assert watching.has_moved()
    assert not watching.has_moved()


def test_files_that_come_go_or_are_put_in_place_are_seen_at_any_depth_and_told_once_more(root: Path) -> None:
    watching = watch(root, "first")
    assert not watching.has_moved()
    for change in (
        lambda: (root / "landing" / "2.csv").write_text("2\n"),
        (root / "landing" / "2.csv").unlink,
        lambda: (root / "landing" / "day=1" / "hour=2").mkdir(parents=True),
        lambda: (root / "landing" / "day=1" / "hour=2" / "3.csv").write_text("3\n"),
        lambda: (root / "globs" / "2.csv").write_text("2\n"),
        lambda: (root / "one.csv").write_text("1\n2\n"),
    ):
        change()
        assert watching.has_moved()
        settled(watching)


def test_a_commit_of_the_flow_before_is_seen_whether_or_not_its_table_was_there(root: Path) -> None:
    watching = watch(root, "second")
    assert not watching.has_moved()
    log = root / ".etl" / "local" / "tables" / "p" / "first" / "_delta_log"
    log.mkdir(parents=True)
    assert watching.has_moved()
    settled(watching)
    (log / f"{0:020}.json").write_text("{}\n")
    assert watching.has_moved()


def test_what_no_local_folder_tells_of_is_left_to_decisions(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not watch(root, "far").has_moved()
    monkeypatch.setattr(arrivals, "_MOST_FOLDERS", 0)
    watching = watch(root, "first")
    (root / "landing" / "2.csv").write_text("2\n")
    assert not watching.has_moved()
