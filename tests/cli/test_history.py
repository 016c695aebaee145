"""`etl history` and `etl list`: every run, also one that committed nothing, from its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import etl
from etl.cli import main
from etl.planning.backfill import BackfillResult
from etl.planning.results import Counts, Failure, FlowResult, RunResult
from etl.record.history import record

Write = Callable[[Mapping[str, str]], Path]
YAML = """
version: 1
name: shop
sources: {s: {format: csv, path: landing, schema: "id INT"}}
flows: {clean: {inputs: [s]}, kept: {inputs: [clean]}}
"""
FAILED = RunResult(
    "20261129T100000-aaaaaaaa", "shop", "stream", "failed", "2026-11-29T10:00:00.000000+00:00", 12.5,
    (
        FlowResult("clean", "failed", "stream", attempts=4, failure=Failure("run", "no room\nat all", "shop.yml:5:9", "make room")),
        FlowResult("kept", "skipped", "stream", reason="clean failed"),
    ),
)  # fmt: skip
UNCHANGED = RunResult(
    "20261129T110000-bbbbbbbb", "shop", "batch", "succeeded", "2026-11-29T11:00:00.000000+00:00", 0.1,
    (
        FlowResult("clean", "unchanged", "batch", reason="no input has changed"),
        FlowResult("kept", "succeeded", "batch", Counts(read=3, written=2), epochs=1, duration_s=2.0, attempts=1),
    ),
)  # fmt: skip
BACKFILL = BackfillResult(
    "20261129T090000-cccccccc", "shop", "clean", "b", "id", "0", "9", 3, 0, 1, "failed", Counts(written=5), 0, "t",
    "2026-11-29T09:00:00.000000+00:00", 3.0, error="the store went away",
)  # fmt: skip


@pytest.fixture
def shop(project: Write) -> Path:
    root = project({"pipelines/shop.yml": YAML})
    for result in (FAILED, UNCHANGED, BACKFILL):
        record(str(root / ".etl" / "local"), result)
    return root


def called(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def document(*arguments: str) -> Any:
    done = called(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_each_run_is_told_newest_first_with_its_reasons_attempts_and_messages(shop: Path) -> None:
    assert called("history", "shop").stdout.splitlines() == [
        "2026-11-29 11:00:00  batch     succeeded       0.1 s  20261129T110000-bbbbbbbb",
        "  clean: unchanged, no input has changed",
        "  kept: succeeded",
        "2026-11-29 10:00:00  stream    failed         12.5 s  20261129T100000-aaaaaaaa",
        "  clean: failed; 4 attempts",
        "    shop.yml:5:9 no room",
        "  kept: skipped, clean failed",
        "2026-11-29 09:00:00  backfill  failed          3.0 s  20261129T090000-cccccccc",
        "  clean: failed",
        "    the store went away",
    ]
    assert len(called("history", "shop", "--limit", "1").stdout.splitlines()) == 3


def test_the_document_has_the_runs_in_the_words_of_a_run(shop: Path) -> None:
    told = document("history", "shop")
    assert [(run["run_id"], run["mode"], run["status"], run["duration_s"]) for run in told["runs"]] == [
        (result.run_id, result.mode, result.status, result.duration_s) for result in (UNCHANGED, FAILED, BACKFILL)
    ]
    assert told["history"] == []
    clean, _ = told["runs"][1]["flows"]
    assert (clean["error"], clean["error_kind"], clean["attempts"]) == (
        "shop.yml:5:9 no room\nat all (make room)",
        "run",
        4,
    )
    assert told["runs"][0]["flows"][1]["rows_out"] == 2
    assert [run["run_id"] for run in document("history", "shop", "--flow", "kept")["runs"]] == [
        UNCHANGED.run_id,
        FAILED.run_id,
    ]


def test_one_run_is_shown_whole_and_a_name_that_is_near_one_is_answered_with_it(shop: Path) -> None:
    whole = called("history", "shop", "--run", FAILED.run_id).stdout
    assert "shop: failed in 12.5 s (stream, run 20261129T100000-aaaaaaaa)" in whole
    assert "at all" in whole
    assert "make room" in whole
    (run,) = document("history", "shop", "--run", UNCHANGED.run_id)["runs"]
    assert run["status"] == "succeeded"
    near = called("history", "shop", "--run", "20261129T100000-aaaaaaab")
    assert (near.exit_code, "did you mean '20261129T100000-aaaaaaaa'?" in near.output) == (2, True)
    outside = called("history", "shop", "--run", "../../secret")
    assert (outside.exit_code, "shop has no run '../../secret'" in outside.output) == (2, True)


def test_a_record_of_an_older_build_is_read_as_far_as_it_goes(shop: Path) -> None:
    file = shop / ".etl/local/history/shop" / f"{FAILED.run_id}.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    for flow in values["flows"]:
        del flow["warnings"], flow["attempts"], flow["counts"]["late"]
    file.write_text(json.dumps(values), encoding="utf-8")
    assert "  clean: failed\n" in called("history", "shop").stdout


@pytest.mark.parametrize("damage", ["", "[]", '{"flows": 3}', '{"run_id": "x", "flo', "null", "\x00"])
def test_a_record_that_is_damaged_counts_as_none(shop: Path, damage: str) -> None:
    (shop / ".etl/local/history/shop" / f"{UNCHANGED.run_id}.json").write_text(damage, encoding="utf-8")
    assert [run["run_id"] for run in document("history", "shop")["runs"]] == [FAILED.run_id, BACKFILL.run_id]
    assert document("list")["pipelines"][0]["last_run"] == FAILED.run_id


def test_python_has_the_same_runs(shop: Path) -> None:
    assert [run.run_id for run in etl.load("shop").history().runs] == [
        UNCHANGED.run_id,
        FAILED.run_id,
        BACKFILL.run_id,
    ]


def test_a_project_s_pipelines_are_listed_with_their_last_runs_and_mistakes_stop_no_other(shop: Path) -> None:
    (listed,) = document("list")["pipelines"]
    assert listed["pipeline"] == "shop"
    assert (listed["flows"], listed["last_run"], listed["status"]) == (["clean", "kept"], UNCHANGED.run_id, "succeeded")
    assert (listed["lag_s"], listed["errors"]) == (None, [])
    (shop / "pipelines" / "broken.yml").write_text(
        YAML.replace("name: shop", "name: broken\nflws: 3"), encoding="utf-8"
    )
    done = called("list")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        "pipeline  flows  last run (UTC)       status     lag",
        "broken           1 mistake",
        "shop      2      2026-11-29 11:00:00  succeeded",
        "`etl validate` shows the mistakes",
    ]
    assert [of["pipeline"] for of in json.loads(called("list", "--json").stdout)["pipelines"]] == ["broken", "shop"]


def test_the_lag_is_that_of_the_stalest_flow(shop: Path) -> None:
    for flow, ms in (("clean", 1_000), ("kept", 5_000)):
        log = shop / ".etl/local/tables/shop" / flow / "_delta_log"
        log.mkdir(parents=True)
        info = {"commitInfo": {"timestamp": ms, "operation": "WRITE"}}
        (log / f"{0:020d}.json").write_text(json.dumps(info), encoding="utf-8")
    (listed,) = document("list")["pipelines"]
    assert listed["lag_s"] > 1.7e9
