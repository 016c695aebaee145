"""`etl maintain`, and maintenance by a flow's own runs, over the life of a table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from pyspark.sql import SparkSession

import etl
from etl.cli import main
from etl.config.load import load
from etl.engine.metadata.delta_log import log_versions, read_log
from etl.operations.maintenance.maintain import maintain
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: p
sources:
  orders: {{format: json, path: landing, schema: "id INT, seq INT", rate_limit: {{files: 1}}}}
flows:
  kept:
    inputs: [orders]
    incremental: rows
    sink: {{strategy: append, properties: {{delta.checkpointInterval: "5"}}}}
    maintenance: {said}
"""

MONTH_S = 40 * 86400


def pipeline(root: Path, said: str) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "landing").mkdir(exist_ok=True)
    (root / "pipelines" / "p.yml").write_text(PIPELINE.format(said=said), encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def land(root: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        lines = [json.dumps({"id": number, "seq": place}) for place in range(3)]
        (root / "landing" / f"{number:03}.json").write_text("\n".join(lines), encoding="utf-8")


def expected(files: int) -> list[tuple[Any, ...]]:
    return sorted(((number, place) for number in range(files) for place in range(3)), key=repr)


def process(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("etl")
    variables = {**os.environ, "COLUMNS": "80", "TWILIGHT_CLASS_DATA": "off"}
    return subprocess.run(
        [program, "maintain", "p", *arguments], cwd=root, env=variables, capture_output=True, text=True, check=False
    )


@pytest.mark.system
def test_a_table_is_compacted_by_a_command_read_at_older_versions_and_taken_back(
    spark: SparkSession, tmp_path: Path
) -> None:
    kept = pipeline(tmp_path, "{keep: 7 days}")
    land(tmp_path, 0, 9)
    kept.run(mode="stream").raise_for_status()
    table = tmp_path / ".etl" / "local" / "tables" / "p" / "kept"
    before = {str(file) for file in (tmp_path / ".etl").rglob("*")}
    told = process(tmp_path, "--dry-run")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("kept: 9 files → 1\n  would rewrite 9 files of "), told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    assert {str(file) for file in (tmp_path / ".etl").rglob("*")} == before
    done = process(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    (flow,) = json.loads(done.stdout)["flows"]
    keys = ("flow", "files_before", "files_after", "bytes_removed", "version")
    assert [flow[key] for key in keys] == ["kept", 9, 1, 0, 9]

    assert len(DeltaTable(table).file_uris()) == 1
    assert rows(table, "id, seq") == expected(9)
    assert len(DeltaTable(table, version=4).file_uris()) == 5  # each version of the last seven days can be read
    assert all(Path(uri.removeprefix("file://")).exists() for uri in DeltaTable(table, version=4).file_uris())
    assert kept.run(mode="stream").status == "unchanged"
    land(tmp_path, 9, 1)
    kept.run(mode="stream").raise_for_status()
    assert [(entry.first_epoch, entry.last_epoch) for entry in kept.history().entries] == [(9, 9), (0, 8)]
    kept.run(mode="batch", full_refresh=True).raise_for_status()
    assert maintain(load("p", project=tmp_path)).flows[0].status == "unchanged"
    arguments = ["checkpoints", "rollback", str(tmp_path / "pipelines" / "p.yml"), "--flow", "kept"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    assert rows(table, "id, seq") == expected(10)
    land(tmp_path, 10, 1)
    (went_on,) = kept.run(mode="stream").flows
    assert (went_on.status, went_on.generation, went_on.epochs) == ("succeeded", 0, 1)
    assert kept.audit().holds, kept.audit()

    kept = pipeline(tmp_path, "{keep: 0}")
    (flow_result,) = maintain(load("p", project=tmp_path)).flows
    assert {done_.deed for done_ in flow_result.done} == {"vacuum", "cleanup"}
    assert rows(table, "id, seq") == expected(11)
    kept.run(mode="batch", full_refresh=True).raise_for_status()
    maintain(load("p", project=tmp_path))
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, "removed by maintenance" in refused.output) == (1, True), refused.output
    assert rows(table, "id, seq") == expected(11)
    assert kept.audit().holds


@pytest.mark.slow
def test_sixty_epochs_leave_few_files_where_runs_maintain_and_a_log_that_delta_cleans_loses_no_position(
    spark: SparkSession, tmp_path: Path
) -> None:
    kept = pipeline(tmp_path, "{auto: true, budget: 100%}")
    land(tmp_path, 0, 60)
    done = kept.run(mode="stream")
    done.raise_for_status()
    assert (done.flows[0].epochs, done.flows[0].rows_out, done.flows[0].warnings) == (60, 180, ())
    table = tmp_path / ".etl" / "local" / "tables" / "p" / "kept"
    assert len(DeltaTable(table).file_uris()) <= 20
    assert rows(table, "id, seq") == expected(60)
    compactions = [commit for commit in read_log(str(table)) if commit.is_maintenance]
    assert 1 <= len(compactions) <= 10
    assert kept.audit().holds, kept.audit()

    for file in (table / "_delta_log").iterdir():
        version = file.name.lstrip(".")[:20]
        if version.isdigit():  # each a minute after the one before; Delta cleans what is older than thirty days
            at = time.time() - MONTH_S + int(version) * 60
            os.utime(file, (at, at))
    land(tmp_path, 60, 6)
    kept.run(mode="stream").raise_for_status()
    assert log_versions(str(table))[0] > 30
    assert kept.audit().holds, kept.audit()
    assert kept.run(mode="stream").status == "unchanged"
    flow = maintain(load("p", project=tmp_path)).flows[0]
    assert flow.status in ("succeeded", "unchanged"), flow
    assert rows(table, "id, seq") == expected(66)
    land(tmp_path, 66, 1)
    (went_on,) = kept.run(mode="stream").flows
    assert (went_on.generation, went_on.epochs) == (0, 1)
    assert rows(table, "id, seq") == expected(67)
    assert kept.audit().holds, kept.audit()
