"""What `etl plan` says of a rebuild: what an edit changed, and how many rows and bytes it reads."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import deltalake
import pytest
from click.testing import CliRunner

import etl
from etl.cli import main
from etl.engine.metadata.table_size import table_size
from tests.support.independent import rows

Project = Callable[[Mapping[str, str]], Path]
YAML = """
version: 1
name: shop
params: {token: "${env:SHOP_TOKEN}"}
sources:
  orders: {format: json, path: landing, schema: "k STRING, price BIGINT, qty BIGINT"}
flows:
  clean: {inputs: [orders], sink: {strategy: merge, keys: [k], sequence_by: price}}
  totals:
    inputs: [clean]
    transform: {sql: "SELECT k, sum(price) AS total, max(:token) AS token FROM clean GROUP BY k"}
    incremental: {groups: {k: k}}
"""
EDITED = YAML.replace("sum(price) AS total", "sum(price * qty) AS total").replace(
    "FROM clean", "FROM clean WHERE qty > 0"
)


def planned(mode: str = "stream") -> dict[str, Any]:
    done = CliRunner().invoke(main, ["plan", "shop", "--mode", mode, "--json"])
    assert done.exit_code == 0, done.output
    return {flow["flow"]: flow for flow in json.loads(done.stdout)["flows"]}


@pytest.mark.spark
def test_a_plan_says_what_an_edit_changed_and_what_the_rebuild_reads(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-and-more")
    root = project({"pipelines/shop.yml": YAML})
    storage = root / ".etl/local"
    (root / "landing").mkdir()
    for number in range(3):
        row = {"k": f"k{number}", "price": number, "qty": 2}
        (root / f"landing/{number}.json").write_text(json.dumps(row), encoding="utf-8")
        assert etl.load("shop").run(mode="stream").status == "succeeded"
    for mode in ("stream", "batch"):
        assert all((flow["changes"], flow["rebuild_reads"]) == ([], []) for flow in planned(mode).values())

    project({"pipelines/shop.yml": EDITED})
    table = deltalake.DeltaTable(str(storage / "tables/shop/clean"))
    size = sum(Path(file.removeprefix("file://")).stat().st_size for file in table.file_uris())
    expected = [{"dataset": "clean", "files": len(table.file_uris()), "bytes": size, "rows": 3}]
    for mode in ("stream", "batch"):
        flow = planned(mode)["totals"]
        assert (flow["action"], flow["reason"]) == ("new generation", "the definition changed")
        assert flow["changes"] == ["column total: SUM(price) → SUM(price * qty)", "WHERE added: qty > 0"]
        assert flow["rebuild_reads"] == expected
        assert planned(mode)["clean"]["changes"] == []
    text = CliRunner().invoke(main, ["plan", "shop", "--mode", "stream"]).stdout
    assert "      change  column total: SUM(price) → SUM(price * qty)\n" in text
    assert f"      rebuild reads  clean: 3 rows, {size:,} bytes\n" in text
    assert "column total" in repr(etl.load("shop").plan(mode="stream"))
    assert "column total" in etl.load("shop").plan(mode="stream")._repr_html_()

    found = subprocess.run(["grep", "-rl", "hunter2", str(storage / "checkpoints")], capture_output=True, check=False)
    assert found.stdout == b"", "no secret stands beside a checkpoint"

    (storage / "checkpoints/shop/totals/g0/definition.json").write_text("{cut off", encoding="utf-8")
    assert planned()["totals"]["changes"] == [], "as of a generation of an older build"
    (storage / "checkpoints/shop/totals/g0/definition.json").unlink()
    assert planned()["totals"]["changes"] == []
    assert etl.load("shop").run(mode="stream").status == "succeeded"
    assert len(rows(storage / "tables/shop/totals")) == 3
    project({"pipelines/shop.yml": YAML})
    assert planned()["totals"]["changes"] == ["column total: SUM(price * qty) → SUM(price)", "WHERE removed: qty > 0"]

    files = [file.stat().st_size for file in (root / "landing").iterdir()]
    project({"pipelines/shop.yml": YAML.replace("sequence_by: price", "sequence_by: qty")})
    flow = planned()["clean"]
    assert flow["changes"] == ["sink sequence_by: price → qty"]
    assert flow["rebuild_reads"] == [{"dataset": "orders", "files": 3, "bytes": sum(files), "rows": None}]
    assert planned()["totals"]["action"] == "after upstream"


def test_a_log_that_does_not_tell_everything_tells_what_it_can(tmp_path: Path) -> None:
    log = tmp_path / "_delta_log"
    assert table_size(str(tmp_path)) == type(table_size(str(tmp_path)))()
    log.mkdir()

    def commit(version: int, *actions: dict[str, Any]) -> None:
        (log / f"{version:020}.json").write_text("\n".join(map(json.dumps, actions)), encoding="utf-8")

    commit(0, {"add": {"path": "a", "size": 5, "stats": '{"numRecords": 2}'}}, {"add": {"path": "b", "size": 7}})
    found = table_size(str(tmp_path))
    assert (found.files, found.bytes, found.rows) == (2, 12, None)
    commit(1, {"remove": {"path": "b"}})
    found = table_size(str(tmp_path))
    assert (found.files, found.bytes, found.rows) == (1, 5, 2)
    (log / f"{0:020}.json").unlink()
    assert table_size(str(tmp_path)).bytes is None
    (log / f"{1:020}.crc").write_text('{"numFiles": 1, "tableSizeBytes": 5}', encoding="utf-8")
    found = table_size(str(tmp_path))
    assert (found.files, found.bytes, found.rows) == (1, 5, None)
    (log / f"{1:020}.crc").write_text('{"numFiles": ', encoding="utf-8")
    assert table_size(str(tmp_path)).bytes is None
