"""State that a function of the user's keeps itself, by `transformWithState`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import etl
from tests.support.independent import rows

pytestmark = pytest.mark.spark

PIPELINE = """
version: 1
name: shop
sources:
  clicks: {format: json, path: landing, schema: "at TIMESTAMP, who STRING, n BIGINT"}
flows:
  totals:
    inputs: [clicks]
    transform: {python: "transforms:totals"}
    incremental: {state: {watermark: at, delay: 10 minutes}}
    sink: {strategy: merge, keys: [who]}
  silent:
    inputs: [clicks]
    transform: {python: "transforms:silent"}
    incremental: {state: {watermark: at, delay: 10 minutes}}
"""
TRANSFORMS = """
from collections.abc import Iterator
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql.streaming import StatefulProcessor, StatefulProcessorHandle


class Totals(StatefulProcessor):
    def init(self, handle: StatefulProcessorHandle) -> None:
        self.total = handle.getValueState("total", "total BIGINT")

    def handleInputRows(self, key: Any, rows: Iterator[Row], timerValues: Any) -> Iterator[Row]:
        total = (self.total.get() or (0,))[0] + sum(row.n for row in rows)
        self.total.update((total,))
        yield Row(who=key[0], total=total)

    def close(self) -> None:
        pass


class Silent(StatefulProcessor):
    def init(self, handle: StatefulProcessorHandle) -> None:
        self.handle, self.last = handle, handle.getValueState("last", "ms BIGINT")

    def handleInputRows(self, key: Any, rows: Iterator[Row], timerValues: Any) -> Iterator[Row]:
        known = self.last.get()
        ms = max([row.ms for row in rows] + ([known[0]] if known else []))
        for timer in list(self.handle.listTimers()):
            self.handle.deleteTimer(timer)
        self.handle.registerTimer(ms + 20 * 60_000)
        self.last.update((ms,))
        yield from ()

    def handleExpiredTimer(self, key: Any, timerValues: Any, expiredTimerInfo: Any) -> Iterator[Row]:
        yield Row(who=key[0], minute=self.last.get()[0] // 60_000 % 60)

    def close(self) -> None:
        pass


def totals(clicks: DataFrame) -> DataFrame:
    return clicks.groupBy("who").transformWithState(Totals(), "who STRING, total BIGINT", "Update", "{totals}")


def silent(clicks: DataFrame) -> DataFrame:
    in_ms = clicks.selectExpr("who", "at", "unix_millis(at) AS ms")
    return in_ms.groupBy("who").transformWithState(Silent(), "who STRING, minute BIGINT", "Append", "EventTime")
"""
Project = Callable[[Mapping[str, str]], Path]


def written(project: Project, totals: str = "None") -> Path:
    root = project(
        {
            "pipelines/shop/pipeline.yml": PIPELINE,
            "pipelines/shop/transforms.py": TRANSFORMS.replace("{totals}", totals),
        }
    )
    (root / "landing").mkdir()
    return root


def land(root: Path, name: str, *clicks: tuple[int, str, int]) -> None:
    lines = [json.dumps({"at": f"2024-01-01T08:{minute:02}:00Z", "who": who, "n": n}) for minute, who, n in clicks]
    (root / "landing" / name).write_text("\n".join(lines), encoding="utf-8")


def tables(root: Path) -> dict[str, list[tuple[Any, ...]]]:
    storage = root / ".etl" / "local" / "tables" / "shop"
    return {"totals": rows(storage / "totals", "who, total"), "silent": rows(storage / "silent", "who, minute")}


def test_it_goes_on_from_run_to_run_its_timers_fire_and_a_batch_comes_to_the_same(project: Project) -> None:
    root = written(project)
    portions = [[(1, "a", 1), (2, "b", 2)], [(3, "a", 10), (50, "b", 20)], [(51, "b", 100), (52, "c", 200)]]
    for number, portion in enumerate(portions):
        land(root, f"{number}.json", *portion)
        assert etl.load("shop").run(mode="stream").status == "succeeded"
    streamed = tables(root)
    assert streamed == {"totals": [("a", 11), ("b", 122), ("c", 200)], "silent": [("a", 3)]}
    assert etl.load("shop").run(mode="batch", full_refresh=True).status == "succeeded"
    assert tables(root) == streamed
    assert etl.load("shop").audit().holds


def test_a_file_of_its_state_that_is_gone_is_found_and_the_state_built_anew(project: Project) -> None:
    root = written(project)
    land(root, "0.json", (1, "a", 1))
    assert etl.load("shop").run(mode="stream").status == "succeeded"
    state = root / ".etl" / "local" / "checkpoints" / "shop" / "totals" / "g0" / "state" / "0"
    whole = sorted(state.rglob("*.sst"))
    assert whole, "the first version is kept whole"
    whole[0].unlink()
    land(root, "1.json", (2, "a", 10))
    totals, _ = etl.load("shop").run(mode="stream").flows
    assert (totals.status, totals.generation) == ("succeeded", 1)
    assert totals.reason == f"the checkpoint's state has a hole: {whole[0]} is missing"
    assert tables(root)["totals"] == [("a", 11)]


def test_timers_by_the_machine_s_clock_and_a_missing_package_are_told_before_anything_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = written(project, totals="ProcessingTime")
    land(root, "0.json", (1, "a", 1))
    (clock,) = etl.load("shop").run(mode="stream", select=["totals"]).flows
    assert clock.failure is not None
    assert "flow 'totals' sets timers by the machine's clock" in clock.failure.message
    monkeypatch.setattr("etl.engine.state.query.find_spec", lambda _: None)
    (lacking,) = etl.load("shop").run(mode="stream", select=["silent"]).flows
    assert lacking.failure is not None
    assert (lacking.failure.kind, lacking.failure.hint) == ("environment", "pip install 'twilight-etl[state]'")
    assert not (root / ".etl" / "local" / "tables").exists()
    assert not list((root / ".etl" / "local" / "checkpoints").rglob("generation.json"))


def test_an_error_of_the_function_is_told_as_its_own(project: Project) -> None:
    root = written(project)
    module = root / "pipelines" / "shop" / "transforms.py"
    module.write_text(
        module.read_text(encoding="utf-8").replace("sum(row.n for row in rows)", "1 // 0"), encoding="utf-8"
    )
    land(root, "0.json", (1, "a", 1))
    (failed,) = etl.load("shop").run(mode="stream", select=["totals"]).flows
    assert failed.failure is not None
    assert not failed.failure.transient
    # No row is told: a function that is given a group's rows may fail over one of them for want of the others.
    assert failed.failure.message == "flow 'totals': ZeroDivisionError: integer division or modulo by zero"
    line = next(i for i, text in enumerate(module.read_text(encoding="utf-8").splitlines(), 1) if "1 // 0" in text)
    assert failed.failure.where == f"{module}:{line}:1"
