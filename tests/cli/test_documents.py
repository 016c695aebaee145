"""The documents of `--json`: their keys are a contract, whatever the values inside are called."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.cli.documents import run_document
from etl.engine.metadata.provenance import Provenance
from etl.planning.results import Counts, FailingRow, Failure, FlowResult, RunResult

PIPELINE = """
version: 1
name: shop
sources: {orders: {format: csv, path: landing, schema: id INT}}
flows: {clean: {inputs: [orders], incremental: rows}}
"""


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target whose log tells of one epoch, after a generation that was rolled back."""
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "landing").mkdir()
    (tmp_path / "pipelines" / "shop.yml").write_text(PIPELINE, encoding="utf-8")
    log = tmp_path / ".etl" / "local" / "tables" / "shop" / "clean" / "_delta_log"
    log.mkdir(parents=True)
    stamp = Provenance(
        "shop", "clean", "r", 0, 2, None, {"orders": {"files": 0, "digest": ""}}, "x", rolled_back_upto=1
    )
    action = {"commitInfo": {"timestamp": 0, "operation": "WRITE", "userMetadata": stamp.dumps()}}
    (log / f"{0:020d}.json").write_text(json.dumps(action) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def test_what_a_plan_tells_of_the_newest_epoch(committed: None) -> None:
    ran = CliRunner().invoke(main, ["plan", "shop", "--json"])
    assert ran.exit_code == 0, ran.output
    (flow,) = json.loads(ran.stdout)["flows"]
    names = ["run_id", "version", "generation", "epoch", "to", "fingerprint", "kind", "run", "retired"]
    assert list(flow["committed"]) == names
    assert flow["committed"]["run_id"] == flow["committed"]["run"] == "r"
    assert (flow["committed"]["epoch"], flow["committed"]["retired"]) == (2, 1)


def test_a_commit_in_the_history_has_the_names_of_a_run_and_the_older_ones(committed: None) -> None:
    ran = CliRunner().invoke(main, ["history", "shop", "--json"])
    assert ran.exit_code == 0, ran.output
    (entry,) = json.loads(ran.stdout)["history"]
    assert (entry["run_id"], entry["run"]) == ("r", "r")
    assert (entry["rows_out"], entry["rows_written"]) == (None, None)
    assert (entry["committed_at"], entry["committed_at_ms"]) == ("1970-01-01T00:00:00+00:00", 0)
    listed = CliRunner().invoke(main, ["list", "--json"])
    (pipeline,) = json.loads(listed.stdout)["pipelines"]
    assert (pipeline["run_id"], pipeline["last_run"]) == (None, None)


@pytest.mark.pure
def test_a_result_in_python_is_named_as_its_document_and_an_older_record_is_read() -> None:
    row = FailingRow({"id": 7}, "/landing/2.csv")
    failure = Failure("run", "it fails", "p.yml:1:1", "correct it", rows=(row,))
    counts = Counts(1, 2, 3, 4, 5, 6)
    results = (FlowResult("f", "failed", "batch", counts, failure=failure), FlowResult("g", "succeeded", "batch"))
    run = RunResult("r", "shop", "batch", "failed", "2024-01-01T00:00:00Z", 1.0, results)
    for result, document in zip(results, run_document(run)["flows"], strict=True):
        told = {name: getattr(result, name) for name in document if name not in ("warnings", "error_rows")}
        assert told == {name: document[name] for name in told}
    first = run_document(run)["flows"][0]
    assert [first[name] for name in ("rows_in", "rows_out", "rows_dropped", "rows_quarantined", "rows_merged", "rows_late")] == [1, 2, 3, 4, 5, 6]  # fmt: skip
    assert first["error"] == "p.yml:1:1 it fails (correct it)"
    assert first["error_rows"] == [{"file": "/landing/2.csv", "row": {"id": 7}}]
    written = json.loads(json.dumps(asdict(failure)))
    assert Failure.of(written) == failure
    assert Failure.of({"kind": "run", "message": "m", "what_a_later_build_knows": 1}) == Failure("run", "m")
