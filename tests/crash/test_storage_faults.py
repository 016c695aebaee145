"""What storage does to a run: files cut off, files that land meanwhile, a foreign commit, a full disk. Told, nothing half-written, and healed."""

from __future__ import annotations

import gzip
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

import etl
from etl.engine.crash_points import Point
from etl.engine.run import epoch_commit
from tests.support.independent import rows, stamps

ROOT = Path(__file__).parents[2]
PIPELINE = """
version: 1
name: p
sources:
  lines: {{format: {format}, path: landing, schema: "id BIGINT, text STRING"}}
flows:
  kept: {{inputs: [lines], incremental: rows}}
run: {{retry: {{max_retries: 0}}}}
"""
LINES = [{"id": number, "text": f"line {number} {random.Random(number).random()}"} for number in range(400)]


def project(root: Path, kind: str) -> Path:
    (root / "pipelines").mkdir()
    (root / "landing").mkdir()
    (root / "pipelines" / "p.yml").write_text(PIPELINE.format(format=kind), encoding="utf-8")
    return root / ".etl" / "local" / "tables" / "p" / "kept"


def content(kind: str, place: Path) -> bytes:
    """A file of LINES: json, json.gz or parquet."""
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(LINES), place / "made.parquet")
        return (place / "made.parquet").read_bytes()
    text = "".join(json.dumps(line) + "\n" for line in LINES).encode()
    return gzip.compress(text) if kind == "json.gz" else text


@pytest.mark.spark
@pytest.mark.crash
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("json", "a row does not fit its source's schema"),
        ("json.gz", "a compressed file is damaged or cut off"),
        ("parquet", "a file is damaged or cut off"),
    ],
)
def test_a_file_that_is_cut_off_is_told_and_the_whole_one_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, told: str
) -> None:
    target = project(tmp_path, kind.removesuffix(".gz"))
    monkeypatch.chdir(tmp_path)
    whole = content(kind, tmp_path)
    file = tmp_path / "landing" / f"1.{kind}"
    for mode in ("stream", "batch"):
        file.write_bytes(whole[: len(whole) // 2])
        failed = etl.load("p").run(mode=mode).flows[0].failure
        assert failed is not None
        assert told in failed.message, failed
        assert file.name in failed.message, failed
        assert not failed.transient, "another try reads the same bytes"
        assert stamps(target) == [], "nothing is written"
    file.write_bytes(whole)
    assert etl.load("p").run(mode="stream").status == "succeeded"
    assert rows(target) == sorted(((line["id"], line["text"]) for line in LINES), key=repr)


@pytest.mark.spark
@pytest.mark.crash
def test_files_that_land_during_a_batch_are_read_then_or_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = project(tmp_path, "json")
    monkeypatch.chdir(tmp_path)

    def land(line: dict[str, Any]) -> None:
        draft = tmp_path / f"{line['id']}.json"
        draft.write_text(json.dumps(line) + "\n", encoding="utf-8")
        draft.rename(tmp_path / "landing" / draft.name)

    def land_all() -> None:
        for line in LINES[1:60]:
            time.sleep(0.05)
            land(line)

    land(LINES[0])
    thread = threading.Thread(target=land_all)
    thread.start()
    assert etl.load("p").run(mode="batch").status == "succeeded"
    thread.join()
    assert etl.load("p").run(mode="stream").status != "failed"
    assert rows(target) == sorted(((line["id"], line["text"]) for line in LINES[:60]), key=repr)
    assert etl.load("p").audit().holds


@pytest.mark.spark
@pytest.mark.crash
def test_a_foreign_commit_beside_ours_loses_nothing_of_ours_and_the_audit_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = project(tmp_path, "json")
    monkeypatch.chdir(tmp_path)
    for number, line in enumerate(LINES[:2]):
        (tmp_path / "landing" / f"{number}.json").write_text(json.dumps(line) + "\n", encoding="utf-8")
        if number == 0:
            assert etl.load("p").run(mode="stream").status == "succeeded"

    def foreign(point: Point) -> None:
        if point is Point.TARGET_COMMITTING:
            write_deltalake(str(target), pa.table({"id": [-1], "text": ["not ours"]}), mode="append")

    monkeypatch.setattr(epoch_commit, "reach", foreign)
    assert etl.load("p").run(mode="stream").status == "succeeded"
    assert {row[0] for row in rows(target)} == {0, 1, -1}
    (found,) = etl.load("p").audit().flows[0].findings
    assert "is a foreign commit" in found.what


@pytest.mark.crash
def test_a_full_disk_is_told_and_the_next_run_heals(tmp_path: Path) -> None:
    """No file of the run may grow over a limit, as if the disk had no more room for it."""
    target = project(tmp_path, "json")
    dice = random.Random(1)
    large = [{"id": number, "text": dice.randbytes(4000).hex()} for number in range(2500)]
    (tmp_path / "landing" / "1.json").write_text("".join(json.dumps(line) + "\n" for line in large), encoding="utf-8")
    limit = 2 * 2**20

    def run(preexec: object = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "etl", "run", "p", "--mode", "stream"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            preexec_fn=preexec,  # type: ignore[arg-type]  # None or the function below
            capture_output=True,
            text=True,
            check=False,
        )

    failed = run(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    said = failed.stdout + failed.stderr
    assert failed.returncode == 1, said
    assert "File too large" in said, said
    assert "nothing is half-written" in said, said
    assert "Traceback" not in said, said
    assert stamps(target) == []
    healed = run()
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert len(rows(target)) == len(large)
