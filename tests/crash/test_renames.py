"""A renamed flow (`was:`) keeps its table, checkpoints and history, whichever run died before or after the rename."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import etl
from etl.engine.crash_points import Crash, Point, armed
from tests.conftest import LITTLE_DATA
from tests.crash.killing import run
from tests.support.independent import rows, stamps
from tests.support.leftovers import left_behind

pytestmark = [pytest.mark.crash, pytest.mark.spark, pytest.mark.timeout(600)]
Project = Callable[[Mapping[str, str]], Path]

YAML = """
version: 1
name: shop
sources:
  orders: {format: json, path: landing, schema: "k STRING, v BIGINT", on_malformed: quarantine}
flows:
  FLOW:
    inputs: [orders]
    sink: {strategy: merge, keys: [k], sequence_by: v, delete_when: v > 90}WAS
  totals:
    inputs: [FLOW]
    transform: {sql: "SELECT v % 2 AS odd, sum(FLOW.v) AS v FROM FLOW GROUP BY v % 2"}
    incremental: {groups: {odd: v % 2}}
  everything:
    inputs: [FLOW]
    transform: {python: "transforms:counted"}
    incremental: full
"""
PYTHON = "def counted(FLOW):\n    return FLOW.groupBy().count()\n"
LINKED = """
version: 1
name: reader
sources: {far: {pipeline: shop, flow: FLOW}}
flows: {latest: {inputs: [far], sink: {strategy: merge, keys: [k], sequence_by: v}}}
"""
STORAGE = ".etl/local"


def files(flow: str, was: str = "") -> dict[str, str]:
    return {
        "pipelines/shop/pipeline.yml": YAML.replace("FLOW", flow).replace("WAS", f"\n    was: {was}" if was else ""),
        "pipelines/shop/transforms.py": PYTHON.replace("FLOW", flow),
        "pipelines/reader.yml": LINKED.replace("FLOW", flow),
    }


def land(root: Path, number: int) -> None:
    (root / "landing").mkdir(exist_ok=True)
    lines = [json.dumps({"k": key, "v": 10 * number + i}) for i, key in enumerate("abc")] + ["no json"]
    (root / "landing" / f"{number}.json").write_text("\n".join(lines), encoding="utf-8")


def check(root: Path, number: int) -> None:
    """The tables after so many files; the newest row of each key counts, and one beyond 90 deletes it."""
    values = [10 * number + i for i in range(3)]
    tables = root / STORAGE / "tables"
    kept = [(key, value) for key, value in zip("abc", values, strict=True) if value <= 90]
    assert rows(tables / "shop/orders_latest") == kept
    odd = {bit: sum(value for _, value in kept if value % 2 == bit) for bit in (0, 1)}
    assert rows(tables / "shop/totals") == [(bit, total) for bit, total in odd.items() if total]
    assert rows(tables / "shop/everything") == [(len(kept),)]
    assert rows(tables / "reader/latest") == kept
    assert len(rows(root / STORAGE / "quarantine/shop/orders_latest")) == number
    assert sorted(item.name for item in (tables / "shop").iterdir()) == ["everything", "orders_latest", "totals"]
    for table in ("shop/orders_latest", "shop/totals", "shop/everything", "reader/latest"):
        assert {stamp["generation"] for stamp in stamps(tables / table)} == {0}, table
    assert left_behind(root / STORAGE) == []


def runs(status: str) -> None:
    for pipeline in ("shop", "reader"):
        result = etl.load(pipeline).run(mode="stream")
        assert result.status == status, [flow.failure or flow.reason for flow in result.flows]


def test_a_rename_keeps_everything_wherever_the_runs_around_it_die(project: Project) -> None:
    root = project(files("orders_latest"))
    land(root, 1)
    runs("succeeded")
    names = ["orders_latest", "newest", "current", "orders_latest", "once_more"]
    points = (Point.STATE_COMMITTED, Point.QUARANTINE_COMMITTED, Point.TARGET_COMMITTING, Point.TARGET_COMMITTED)
    for number, (before, point, after) in enumerate(zip(names[:-1], points, names[1:], strict=True), 2):
        land(root, number)
        with armed(point) as trap, contextlib.suppress(Crash):
            etl.load("shop").run(mode="stream", select=[before])
        assert trap.crashed
        project(files(after, "" if after == "orders_latest" else "orders_latest"))
        runs("succeeded")
        check(root, number)
        for mode in ("stream", "batch"):
            planned = [flow for name in ("shop", "reader") for flow in etl.load(name).plan(mode=mode).flows]  # type: ignore[arg-type]  # a text of the test
            assert {flow.action for flow in planned} == {"unchanged"}, [flow.reason for flow in planned]
    for pipeline in ("shop", "reader"):
        assert etl.load(pipeline).audit().holds
    shop = etl.load("shop")
    assert {entry.first_epoch for entry in shop.history().entries if entry.flow == "once_more"} == {0, 1, 2, 3, 4}
    assert shop.run(mode="batch", full_refresh=True).status == "succeeded"
    assert rows(root / STORAGE / "tables/shop/orders_latest") == [("a", 50), ("b", 51), ("c", 52)]
    assert shop.audit().holds


def test_a_rename_between_killed_processes_starts_nothing_anew(tmp_path: Path) -> None:
    def write(found: dict[str, str]) -> None:
        for name, text in found.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")

    write(files("orders_latest"))
    write({"conf/local.yml": json.dumps({"spark": {"conf": dict(LITTLE_DATA)}})})
    land(tmp_path, 1)
    command = ("run", "shop", "--mode", "stream")
    assert run(tmp_path, *command).returncode == 0
    land(tmp_path, 2)
    assert run(tmp_path, *command, ETL_CRASH_AT="target_committing").returncode == -9
    write(files("newest", "orders_latest"))
    assert run(tmp_path, *command, ETL_CRASH_AT="state_committing").returncode == -9
    assert run(tmp_path, *command).returncode == 0
    assert run(tmp_path, "run", "reader", "--mode", "stream").returncode == 0
    check(tmp_path, 2)
    assert json.loads(run(tmp_path, *command, "--json").stdout)["status"] == "unchanged"
    assert run(tmp_path, "audit", "shop").returncode == 0
