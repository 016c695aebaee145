"""Which flows a round runs: seen from what it asks of the graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from etl.config.load import load
from etl.engine.run.flow import Order
from etl.operations import interval_runs
from etl.operations.plan import plan
from etl.planning.request import RunRequest
from etl.planning.results import FlowResult

Write = Callable[[Mapping[str, str]], Path]

YAML = """
version: 1
name: p
sources: {s: {format: csv, path: landing, schema: "id INT"}}
flows:
  once: {inputs: [s], incremental: rows}
  often: {inputs: [once], incremental: rows, run: {trigger: 0.001 seconds}}
  seldom: {inputs: [often], incremental: rows, run: {trigger: 1 hour}}
run: {mode: stream}
"""


def test_a_flow_runs_again_when_its_own_interval_is_over_and_without_one_never(
    project: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load(project({"pipelines/p.yml": YAML}) / "pipelines/p.yml")
    asked: list[list[tuple[str, tuple[str, ...]]]] = []
    stop = threading.Event()

    def run_graph(planned: Any, *_: object, **__: object) -> tuple[FlowResult, ...]:
        asked.append([(item.flow.name, item.upstream) for item in planned.flows])
        if len(asked) == 3:
            stop.set()
        return tuple(FlowResult(item.flow.name, "succeeded", "stream", epochs=1) for item in planned.flows)

    ready: list[str] = []
    monkeypatch.setattr(interval_runs, "run_graph", run_graph)
    monkeypatch.setattr(interval_runs.ReadyTables, "make_ready", lambda _, __, flow, ___: ready.append(flow.name))
    order = Order("run", full_refresh=True, allow_history_loss=False)
    results = interval_runs.run_at_intervals(
        plan(spec, RunRequest()), order, trigger=None, sessions=None, emit=print, stop=stop
    )  # type: ignore[arg-type]  # no session is asked for
    assert asked == [
        [("once", ()), ("often", ("once",)), ("seldom", ("once", "often"))],
        [("often", ())],
        [("often", ())],
    ]
    assert [(item.flow, item.epochs) for item in results] == [("once", 1), ("often", 3), ("seldom", 1)]
    assert {"once"}.isdisjoint(ready)
    assert "seldom" in ready, "what its next epoch would wait for is done while it waits"
