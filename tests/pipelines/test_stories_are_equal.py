"""`etl verify` on the three pipelines that come with the project, over the first rows of what they land."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import etl
from etl.cli.verify import command_of, text

ROOT = Path(__file__).parents[2]
LANDED = {
    "nyc_flights": ("landing/nyc", "--first", "2013-01-01", "--last", "2013-01-02"),
    "machine_health": ("landing/machine_health", "--days", "1"),
    "clickstream": ("landing/clickstream", "--days", "1"),
}
SINKS = {
    "nyc_flights": {"rows append", "rows merge", "groups replace", "full overwrite"},
    "machine_health": {"rows append", "rows merge", "groups replace", "full overwrite"},
    "clickstream": {"rows merge", "groups replace", "full overwrite"},
}


@pytest.mark.spark
@pytest.mark.parametrize("name", LANDED)
def test_one_batch_and_random_arrivals_in_random_modes_end_in_the_same_tables(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "pipelines" / name, tmp_path / "pipelines" / name)
    monkeypatch.chdir(tmp_path)
    landing = [sys.executable, f"pipelines/{name}/landing.py", "--to", *LANDED[name]]
    done = subprocess.run(landing, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = etl.load(name).verify(splits=1, seed=1, rows=400)
    assert found.status == "equal", text(found, command_of(name, rows=400))
    assert {f"{item.kind} {item.strategy}" for item in found.flows} >= SINKS[name]
    assert sum(item.rows > 0 for item in found.flows) >= len(found.flows) / 2, "not only empty tables were compared"
