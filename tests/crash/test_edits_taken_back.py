"""An edit that fails before it reaches a table, and is taken back, costs nothing: the flow goes on where it stood, wherever the rebuild died."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.engine.crash_points import Crash, Point, armed
from tests.conftest import LITTLE_DATA
from tests.crash.killing import run
from tests.support.independent import rows, stamps
from tests.support.leftovers import left_behind

pytestmark = [pytest.mark.crash, pytest.mark.spark, pytest.mark.timeout(900)]
Project = Callable[[Mapping[str, str]], Path]

HEAD = """
version: 1
name: shop
sources:
  orders: {format: json, path: landing, schema: "at TIMESTAMP, k STRING, v BIGINT", on_malformed: ON_MALFORMED}
flows:
  f:
    inputs: [orders]
"""
WINDOWS = (
    "SELECT window(at, '10 minutes').start AS at, sum(v * EDIT) AS total FROM orders GROUP BY window(at, '10 minutes')"
)
FLOWS = {
    "rows": '    transform: {sql: "SELECT k, v * EDIT AS v FROM orders"}\n',
    "merge": '    transform: {sql: "SELECT k, v * EDIT AS v FROM orders"}\n    sink: {strategy: merge, keys: [k], sequence_by: v}\n',
    "groups": '    transform: {sql: "SELECT k, sum(v * EDIT) AS v FROM orders GROUP BY k"}\n    incremental: {groups: {k: k}}\n',
    "full": "    transform: {sql: \"SELECT 'all' AS k, sum(v * EDIT) AS v FROM orders\"}\n    incremental: full\n",
    "state": f'    transform: {{sql: "{WINDOWS}"}}\n    incremental: {{state: {{watermark: at, delay: 1 minute}}}}\n',
}
BEFORE = (
    Point.GENERATION_OPENED,
    Point.EPOCH_OFFERED,
    Point.OUTPUT_MADE,
    Point.STATE_COMMITTING,
    Point.STATE_COMMITTED,  # none of these flows keeps state beside its target, so nothing is committed there
    Point.TARGET_COMMITTING,
)
STREAMED = (Point.STREAM_OPENED,)
STAGED = (Point.HOLDING, Point.HELD)


def definition(kind: str, factor: int, on_malformed: str = "fail") -> dict[str, str]:
    text = (HEAD + FLOWS[kind]).replace("EDIT", str(factor)).replace("ON_MALFORMED", on_malformed)
    return {"pipelines/shop.yml": text}


def land(root: Path, number: int, *, text: str | None = None) -> None:
    """A row of each key, an hour after those before, so that every window before it is due."""
    (root / "landing").mkdir(exist_ok=True)
    lines = [json.dumps({"at": f"2024-01-01T{number:02}:00:00Z", "k": key, "v": number}) for key in ("a", "b")]
    (root / "landing" / f"{number:02}.json").write_text("\n".join(lines) if text is None else text, encoding="utf-8")


def model(kind: str, factor: int, numbers: list[int]) -> list[Any]:
    values = [number * factor for number in numbers]
    match kind:
        case "rows":
            return sorted([(key, value) for value in values for key in ("a", "b")], key=repr)
        case "merge":
            return [(key, max(values)) for key in ("a", "b")]
        case "groups":
            return [(key, sum(values)) for key in ("a", "b")]
        case "full":
            return [("all", 2 * sum(values))]
        case _:
            return [2 * value for value in values[:-1]]  # the last window is open


def actual(root: Path, kind: str) -> list[Any]:
    found = rows(root / ".etl/local/tables/shop/f")
    return sorted(row[1] for row in found) if kind == "state" else found


@pytest.mark.parametrize(("kind", "first"), [(kind, number) for number, kind in enumerate(FLOWS)])
def test_the_run_after_goes_on_where_the_flow_stood(project: Project, kind: str, first: int) -> None:
    root = project(definition(kind, 1))
    numbers = [1, 2]
    for number in numbers:
        land(root, number)
    assert etl.load("shop").run(mode="stream").status == "succeeded"
    table = root / ".etl/local/tables/shop/f"
    points = BEFORE + (() if kind == "full" else STREAMED) + (STAGED if kind == "state" else ())
    modes: list[Any] = ["stream", "batch"]
    for turn, point in enumerate(points, first):
        mode = modes[turn % 2]
        committed = len(stamps(table))
        project(definition(kind, 2))
        with armed(point) as trap, contextlib.suppress(Crash):
            etl.load("shop").run(mode=mode)
        assert trap.crashed, f"{kind} never comes to {point}"
        project(definition(kind, 1))
        for same in modes:
            (planned,) = etl.load("shop").plan(mode=same).flows
            assert (planned.action, planned.generation) == ("unchanged", 0), (point, same, planned.reason)
            assert "taken back" in planned.reason
        assert etl.load("shop").run(mode=mode).status == "unchanged"
        assert len(stamps(table)) == committed, point
        numbers.append(numbers[-1] + 1)
        land(root, numbers[-1])
        with armed(Point.EPOCH_OFFERED) as trap, contextlib.suppress(Crash):
            etl.load("shop").run(mode="stream")  # the run that gives the edit up dies, too
        assert trap.crashed
        assert etl.load("shop").run(mode="stream").status == "succeeded"
        assert {stamp["generation"] for stamp in stamps(table)} == {0}, point
        assert actual(root, kind) == model(kind, 1, numbers), point
        assert left_behind(root / ".etl/local") == [], point
    assert etl.load("shop").audit().holds
    project(definition(kind, 2))
    (flow,) = etl.load("shop").run(mode="stream").flows
    assert (flow.status, flow.generation) == ("succeeded", len(points) + 1), "the numbers of edits are not used again"
    assert actual(root, kind) == model(kind, 2, numbers)
    assert etl.load("shop").audit().holds


def test_an_edit_that_comes_again_is_computed_anew_after_the_flow_went_on(project: Project) -> None:
    root = project(definition("rows", 1))
    land(root, 1)
    etl.load("shop").run(mode="stream")
    project(definition("rows", 2))
    with armed(Point.OUTPUT_MADE), contextlib.suppress(Crash):
        etl.load("shop").run(mode="stream")
    project(definition("rows", 1))
    land(root, 2)
    assert etl.load("shop").run(mode="stream").flows[0].generation == 0
    project(definition("rows", 2))
    assert etl.load("shop").plan(mode="stream").flows[0].generation == 2, "it would be epoch 0 of what was there then"
    etl.load("shop").run(mode="stream")
    assert actual(root, "rows") == model("rows", 2, [1, 2])


def test_what_the_edit_has_quarantined_is_not_left_beside_the_old_table(project: Project) -> None:
    root = project(definition("rows", 1, "quarantine"))
    land(root, 1)
    land(root, 2, text="no json")
    etl.load("shop").run(mode="stream")
    project(definition("rows", 2, "quarantine"))
    with armed(Point.QUARANTINE_COMMITTED) as trap, contextlib.suppress(Crash):
        etl.load("shop").run(mode="stream")
    assert trap.crashed
    project(definition("rows", 1, "quarantine"))
    (planned,) = etl.load("shop").plan(mode="stream").flows
    assert (planned.action, planned.generation) == ("new generation", 2)
    assert etl.load("shop").run(mode="stream").status == "succeeded"
    assert actual(root, "rows") == model("rows", 1, [1])
    assert stamps(root / ".etl/local/quarantine/shop/f")[-1]["generation"] == 2
    assert etl.load("shop").audit().holds


def test_an_edit_that_reached_the_table_is_rebuilt_when_it_is_taken_back(project: Project) -> None:
    root = project(definition("rows", 1))
    land(root, 1)
    etl.load("shop").run(mode="stream")
    project(definition("rows", 2))
    with armed(Point.TARGET_COMMITTED), contextlib.suppress(Crash):
        etl.load("shop").run(mode="stream")
    project(definition("rows", 1))
    assert etl.load("shop").run(mode="stream").flows[0].generation == 2
    assert actual(root, "rows") == model("rows", 1, [1])


def test_an_edit_that_fails_by_itself_and_is_taken_back_starts_nothing(project: Project) -> None:
    root = project(definition("groups", 1))
    land(root, 1)
    etl.load("shop").run(mode="stream")
    broken = definition("groups", 1)["pipelines/shop.yml"].replace("sum(v * 1)", "sum(CAST(concat(k, 'x') AS BIGINT))")
    project({"pipelines/shop.yml": broken})
    assert etl.load("shop").run(mode="batch").status == "failed"
    project(definition("groups", 1))
    result = etl.load("shop").run(mode="stream")
    assert (result.status, result.flows[0].attempts) == ("unchanged", 0)
    assert actual(root, "groups") == model("groups", 1, [1])


def test_killed_processes_of_the_edit_cost_nothing_either(tmp_path: Path) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/local.yml").write_text(json.dumps({"spark": {"conf": dict(LITTLE_DATA)}}), encoding="utf-8")
    file = tmp_path / "pipelines/shop.yml"
    file.write_text(definition("rows", 1)["pipelines/shop.yml"], encoding="utf-8")
    land(tmp_path, 1)
    assert run(tmp_path, "run", "shop", "--mode", "stream").returncode == 0
    file.write_text(definition("rows", 2)["pipelines/shop.yml"], encoding="utf-8")
    for point in (Point.GENERATION_OPENED, Point.TARGET_COMMITTING):
        assert run(tmp_path, "run", "shop", "--mode", "stream", ETL_CRASH_AT=str(point)).returncode == -9
    file.write_text(definition("rows", 1)["pipelines/shop.yml"], encoding="utf-8")
    assert json.loads(run(tmp_path, "run", "shop", "--mode", "stream", "--json").stdout)["status"] == "unchanged"
    land(tmp_path, 2)
    assert run(tmp_path, "run", "shop", "--mode", "stream").returncode == 0
    assert actual(tmp_path, "rows") == model("rows", 1, [1, 2])
    assert [stamp["generation"] for stamp in stamps(tmp_path / ".etl/local/tables/shop/f")] == [0, 0]
    shown = json.loads(run(tmp_path, "checkpoints", "show", "shop", "--json").stdout)["flows"][0]["generations"]
    assert [item["standing"] for item in shown] == ["current", "superseded"]
