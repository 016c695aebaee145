"""A continuous run: what it takes up and when, what it does with flows that fail, and how it ends."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from etl.config.load import load
from etl.engine.run.flow import Order
from etl.operations import continuous_runs
from etl.operations.continuous_runs import ContinuousRun, is_continuous
from etl.operations.plan import plan
from etl.planning.events import DataAwaited, EpochCommitted, FlowFinished, FlowRetried
from etl.planning.request import RunRequest
from etl.planning.results import Failure, FlowResult
from tests.property.test_modes_are_equal import orders
from tests.support.engine_cases import land, model, table, write_project
from tests.support.going_on import going_on
from tests.support.independent import rows, stamps

Write = Callable[[Mapping[str, str]], Path]

YAML = """
version: 1
name: p
sources:
  s: {format: csv, path: landing, schema: "id INT"}
  t: {format: csv, path: other, schema: "id INT"}
flows:
  first: {inputs: [s], incremental: rows}
  second: {inputs: [first], incremental: rows}
  beside: {inputs: [t], incremental: rows}
  once: {inputs: [t], incremental: rows, run: {trigger: available_now}}
run: {mode: stream, trigger: continuous, retry: {min_retry_interval: 0.1 seconds, max_retry_interval: 1 second}}
"""


class Played:
    """Flow runs that are played: each answers as its script says, and then `unchanged`."""

    def __init__(self, scripts: Mapping[str, list[str]]) -> None:
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.began: list[tuple[str, float]] = []
        self.refreshed: list[tuple[str, bool]] = []

    def __call__(self, _: Any, planned: Any, order: Order, *, emit: Any, **__: Any) -> Any:
        name = planned.flow.name
        self.refreshed.append((name, order.full_refresh))

        class OneRun:
            @staticmethod
            def run() -> FlowResult:
                self.began.append((name, time.monotonic()))
                said = self.scripts[name].pop(0) if self.scripts.get(name) else "unchanged"
                failure = Failure("run", "it broke", transient=said == "breaks") if said in ("breaks", "ends") else None
                result = FlowResult(
                    name,
                    "failed" if failure else said,
                    "stream",
                    epochs=said == "succeeded",
                    attempts=1,
                    failure=failure,
                )  # type: ignore[arg-type]  # the script's words are statuses
                emit(FlowFinished(result))
                return result

        return OneRun()

    def times(self, name: str) -> list[float]:
        return [moment for flow, moment in self.began if flow == name]


def started(
    project: Write, monkeypatch: pytest.MonkeyPatch, scripts: Mapping[str, list[str]], *, full_refresh: bool = False
) -> tuple[Played, list[Any], threading.Event, threading.Thread, list[Any], Path]:
    root = project({"pipelines/p.yml": YAML, "landing/.keep": "", "other/.keep": ""})
    spec = load(root / "pipelines/p.yml")
    played, events, stop, results = Played(scripts), list[Any](), threading.Event(), list[Any]()
    monkeypatch.setattr(continuous_runs, "FlowRun", played)
    monkeypatch.setattr(continuous_runs.ReadyTables, "make_ready", lambda *_: None)
    run = ContinuousRun(
        plan(spec, RunRequest()),
        Order("run", full_refresh=full_refresh, allow_history_loss=False),
        trigger=None,
        sessions=None,  # type: ignore[arg-type]  # nobody asks for one
        emit=events.append,
        stop=stop,
    )
    thread = threading.Thread(target=lambda: results.extend(run.run()))
    thread.start()
    return played, events, stop, thread, results, root


def until(done: Callable[[], bool]) -> None:
    waited = time.monotonic()
    while not done():
        assert time.monotonic() - waited < 20, "it never came"
        time.sleep(0.01)


def test_a_flow_runs_when_a_file_arrives_its_readers_when_it_has_committed_and_others_do_not(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous_runs, "_SOONEST_DECISION_S", 1000.0)
    monkeypatch.setattr(continuous_runs, "_LATEST_DECISION_S", 1000.0)
    first = {"first": ["succeeded", "succeeded"], "second": ["succeeded", "succeeded"], "once": ["succeeded"]}
    played, events, stop, thread, results, root = started(project, monkeypatch, first, full_refresh=True)
    until(lambda: len(played.began) >= 4)
    time.sleep(0.3)
    before = len(played.began)
    assert played.began[0][0] == "first"
    (root / "landing" / "a.csv").write_text("1\n")
    until(lambda: len(played.times("second")) >= 2 and played.scripts["second"] == [])
    time.sleep(0.3)
    assert {name for name, _ in played.began[before:]} == {"first", "second"}
    assert len(played.times("once")) == 1
    stop.set()
    thread.join()
    assert [(item.flow, item.status, item.epochs) for item in results] == [
        ("first", "succeeded", 2), ("second", "succeeded", 2), ("beside", "unchanged", 0), ("once", "succeeded", 1),
    ]  # fmt: skip
    assert played.refreshed[:1] == [("first", True)]
    assert {("second", False), ("second", True)} <= set(played.refreshed)
    assert {event.flow for event in events if isinstance(event, DataAwaited)} == {"first", "second", "beside"}
    assert {event.pause_s for event in events if isinstance(event, DataAwaited)} == {None}


def test_every_flow_is_decided_again_now_and_then_whatever_the_folders_say(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuous_runs, "_SOONEST_DECISION_S", 0.05)
    monkeypatch.setattr(continuous_runs, "_DECISION_SHARE", 1.0)
    played, events, stop, thread, _, _ = started(project, monkeypatch, {})
    until(lambda: min(len(played.times(name)) for name in ("first", "second", "beside")) > 3)
    stop.set()
    thread.join()
    assert sum(isinstance(event, FlowFinished) for event in events) == 4, (
        "only the first round tells that nothing was done"
    )


def test_a_flow_that_fails_is_tried_again_after_growing_pauses_while_others_go_on_and_it_may_recover(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = {"first": ["breaks"] * 4 + ["succeeded"], "beside": ["succeeded"] * 50}
    played, events, stop, thread, results, root = started(project, monkeypatch, scripts)
    for number in range(200):
        (root / "other" / f"{number}.csv").write_text("1\n")
        time.sleep(0.02)
        if len(played.times("first")) == 5:
            break
    until(lambda: "second" in dict(played.began))
    stop.set()
    thread.join()
    moments = played.times("first")
    pauses = [later - earlier for earlier, later in pairwise(moments)][:4]
    assert all(pause >= least for pause, least in zip(pauses, (0.1, 0.2, 0.4, 0.8), strict=True)), pauses
    told = [event for event in events if isinstance(event, FlowRetried)]
    assert [(event.attempt, event.pause_s) for event in told] == [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8)]
    assert len(played.times("beside")) > 5
    assert min(played.times("second")) > moments[4], "what reads it waits until it has come through once"
    assert results[0].status == "succeeded"


def test_a_run_ends_when_every_flow_failed_of_what_another_attempt_cannot_change(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = {"first": ["ends"], "beside": ["ends"], "once": ["succeeded"]}
    _, _, stop, thread, results, _ = started(project, monkeypatch, scripts)
    thread.join(10)
    assert not stop.is_set()
    assert [(item.flow, item.status) for item in results] == [
        ("first", "failed"), ("second", "skipped"), ("beside", "failed"), ("once", "succeeded"),
    ]  # fmt: skip
    assert results[1].reason == "flow 'first', which it reads, failed"


def test_continuous_is_asked_for_by_the_run_or_by_a_flow(project: Write) -> None:
    spec = load(project({"pipelines/p.yml": YAML}) / "pipelines/p.yml")
    planned = plan(spec, RunRequest())
    assert is_continuous(planned, None)
    assert not is_continuous(planned, "1 second")
    assert not is_continuous(plan(spec, RunRequest(mode="batch")), None)
    assert is_continuous(plan(spec, RunRequest(select=["once"])), "continuous")


@pytest.mark.spark
@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("ETL_SEEDS", "1").split(",")])
def test_files_that_arrive_while_it_runs_end_in_the_tables_of_one_batch(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    everything = orders(dice, 20)
    land(tmp_path, "first.json", everything)
    chosen = ("clean", "latest", "totals")
    with going_on(tmp_path / "pipelines" / "shop.yml", select=chosen) as run:
        for number in range(3):
            new = orders(dice, dice.randrange(1, 12))
            everything = [*everything, *new]
            land(tmp_path, f"{dice.randrange(10**6):06}-{number}.json", new)
            time.sleep(dice.choice([0, 0.5, 4]))
        run.wait_until(run.has_taken_everything)
        tables, expected = {name: table(tmp_path, name) for name in chosen}, model(everything)
        assert tables == {name: expected[name] for name in chosen}
        # a file rewritten in place moves no folder; the decision that comes anyway finds it
        rewritten = [{"id": 99, "who": "a", "amount": 7, "seq": 1, "gone": False}]
        first = tmp_path / "landing" / "orders" / "first.json"
        first.write_text(json.dumps(rewritten[0]) + "\n", encoding="utf-8")
        everything = [*rewritten, *everything[20:]]
        run.wait_until(lambda: run.has_taken_everything() and any(row[0] == 99 for row in table(tmp_path, "clean")))
        tables, expected = {name: table(tmp_path, name) for name in chosen}, model(everything)
        assert tables == {name: expected[name] for name in chosen}
    assert run.result is not None
    assert run.result.status == "succeeded", [flow.failure for flow in run.result.flows]
    assert max(event.generation for event in run.events if isinstance(event, EpochCommitted)) == 1


@pytest.mark.spark
def test_a_snapshot_that_moved_is_seen_and_a_stop_drains_the_epoch_under_way(
    spark: SparkSession, project: Write
) -> None:
    root = project(
        {
            "pipelines/q.yml": """
                version: 1
                name: q
                sources:
                  facts: {format: csv, path: facts, schema: "id INT, k INT"}
                  names: {format: csv, path: names.csv, schema: "k INT, name STRING"}
                flows:
                  named:
                    inputs: {facts: changes, names: {read: snapshot, on_change: recompute}}
                    transform: {sql: "SELECT f.id, n.name FROM facts f JOIN names n ON f.k = n.k"}
                    incremental: rows
                """,
            "facts/1.csv": "1,1\n2,2\n",
            "names.csv": "1,a\n2,b\n",
        }
    )
    target = root / ".etl" / "local" / "tables" / "q" / "named"

    def holds(*expected: tuple[int, str]) -> bool:
        return any(target.glob("_delta_log/*.json")) and rows(target) == sorted(expected, key=repr)

    with going_on(root / "pipelines" / "q.yml") as run:
        run.wait_until(lambda: holds((1, "a"), (2, "b")))
        new = root / "names.new"
        new.write_text("1,z\n2,b\n")
        new.replace(root / "names.csv")
        run.wait_until(lambda: holds((1, "z"), (2, "b")))
        (root / "facts" / ".2").write_text("3,2\n")
        (root / "facts" / ".2").replace(root / "facts" / "2.csv")
        run.wait_until(lambda: len(stamps(target)) > 2)
    assert run.result is not None
    assert holds((1, "z"), (2, "b"), (3, "b"))
    assert run.result.status == "succeeded"
    assert run.result.flows[0].epochs == 3
