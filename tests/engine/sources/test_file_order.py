"""Which epoch brings which file follows from the files' times and names: of those of one time the name decides, however a folder is listed."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.planning.results import FlowResult
from tests.support.independent import rows

pytestmark = pytest.mark.spark

START, DELAY = datetime(2024, 1, 1, tzinfo=UTC), timedelta(minutes=10)
MINUTES = [30, 60, 10, 90, 20, 85]  # of the files in the order of their paths: two come late by it
NAMES = ["q.json", "a b.json", "z.json", "m.json", "é.json", "b.json"]
# source → its path, where each of the files lies under it, and what lies beside them and does not count
SOURCES: dict[str, tuple[str, list[str], list[str]]] = {
    "there": ("landing/there", NAMES, ["sub/garbage.json", "x.json/garbage.json", "_draft.json", ".hidden.json", "_temporary/garbage.json"]),
    "days": ("landing/days", [f"day={2 - number // 3}/{name}" for number, name in enumerate(NAMES)], []),
    "globbed": ("landing/globbed/*/in", [f"{'ab'[number // 3]}/in/{name}" for number, name in enumerate(NAMES)], ["a/in/sub/garbage.json"]),
    "mixed": ("landing/mixed/*", [*NAMES[:5], f"deep/{NAMES[5]}"], []),
}  # fmt: skip


def write_project(root: Path) -> None:
    sources, flows = [], []
    for name, (path, _, _) in SOURCES.items():
        more = ", day INT" if name == "days" else ""
        limit = "bytes: 60" if name == "globbed" else "files: 1"
        sources.append(f'  {name}: {{format: json, path: "{path}", schema: "file STRING, at TIMESTAMP{more}", rate_limit: {{{limit}}}}}\n')  # fmt: skip
        flows.append(f'  of_{name}: {{inputs: [{name}], transform: {{sql: "SELECT file FROM {name}"}}, incremental: {{state: {{watermark: at, delay: 10 minutes}}}}}}\n')  # fmt: skip
    (root / "pipelines").mkdir()
    (root / "pipelines" / "p.yml").write_text("version: 1\nname: p\nsources:\n" + "".join(sources) + "flows:\n" + "".join(flows), encoding="utf-8")  # fmt: skip


def land(root: Path, name: str, numbers: range, second: int) -> None:
    """Files of one time, and beside them what no reader must see."""
    _, files, others = SOURCES[name]
    folder = root / "landing" / name
    for file in others:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("{garbage\n", encoding="utf-8")
        os.utime(folder / file, (second, second))
    by_path = sorted(files)
    for number in numbers:
        at = START + timedelta(minutes=600 + MINUTES[number])
        row = {"file": str(number), "at": at.isoformat()}
        draft = root / f"{name}-{number}"
        draft.write_text(json.dumps(row) + "\n", encoding="utf-8")
        os.utime(draft, (second, second))
        (folder / by_path[number]).parent.mkdir(parents=True, exist_ok=True)
        draft.replace(folder / by_path[number])


def expected(*arrivals: range) -> tuple[list[tuple[Any, ...]], int]:
    """The rows that are not late when the files come one by one in the order of their paths, and how many are."""
    kept, newest, late = [], -1000, 0
    for number in (number for numbers in arrivals for number in numbers):
        if MINUTES[number] >= newest - 10:
            kept.append((str(number),))
            newest = max(newest, MINUTES[number])
        else:
            late += 1
    return sorted(kept, key=repr), late


def run(root: Path, monkeypatch: pytest.MonkeyPatch, mode: str) -> dict[str, FlowResult]:
    monkeypatch.chdir(root)
    found = {flow.flow.removeprefix("of_"): flow for flow in etl.load("p").run(mode=mode).flows}  # type: ignore[arg-type]  # a literal
    assert {name: flow.failure for name, flow in found.items() if flow.failure} == {}
    return found


def table(root: Path, name: str) -> list[tuple[Any, ...]]:
    return rows(root / ".etl/local/tables/p" / f"of_{name}", "file")


def test_files_of_one_time_come_in_the_order_of_their_paths_and_after_a_crash_as_if_there_had_been_none(
    tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    for name in SOURCES:
        land(tmp_path, name, range(4), 1_700_000_000)
    found = run(tmp_path, monkeypatch, "stream")
    model, late = expected(range(4))
    in_order = [name for name in SOURCES if name != "mixed"]
    assert {name: (table(tmp_path, name), found[name].counts.late) for name in in_order} == dict.fromkeys(in_order, (model, late))  # fmt: skip
    assert (found["mixed"].epochs, found["mixed"].counts.late) == (1, 0), "no order that can be had: all of one epoch"
    for name in SOURCES:
        land(tmp_path, name, range(4, 6), 1_700_000_001)
    # What a run leaves that dies between the list of an epoch's files and its offsets.
    log = tmp_path / ".etl/local/checkpoints/p/of_there/g0/sources/0"
    newest = max((int(file.name.removesuffix(".compact")), file) for file in log.iterdir() if file.name[0].isdigit())
    path = (tmp_path / "landing/there" / sorted(NAMES)[4]).as_uri()
    entry = {"path": path, "timestamp": 1_700_000_001_000, "batchId": newest[0] + 1}
    (log / str(newest[0] + 1)).write_text(f"v1\n{json.dumps(entry)}", encoding="utf-8")
    found = run(tmp_path, monkeypatch, "stream")
    model, both = expected(range(4), range(4, 6))
    assert {name: (table(tmp_path, name), found[name].counts.late) for name in in_order} == dict.fromkeys(in_order, (model, both - late))  # fmt: skip
    found = run(tmp_path, monkeypatch, "stream")
    assert {flow.status for flow in found.values()} == {"unchanged"}
    assert etl.load("p").audit().holds
