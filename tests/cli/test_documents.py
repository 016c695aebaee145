"""The documents of `--json`: their keys are a contract, whatever the values inside are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.engine.metadata.provenance import Provenance

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
    assert list(flow["committed"]) == ["version", "generation", "epoch", "to", "fingerprint", "kind", "run", "retired"]
    assert (flow["committed"]["epoch"], flow["committed"]["retired"]) == (2, 1)
