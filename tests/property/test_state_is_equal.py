"""Invariants 1, 2 and 5 for `state`: the tables hold what one batch over the rows that were not late would have made of them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.going_on import run_in
from tests.support.independent import rows
from tests.support.state_cases import MODELS, Event, Watched, land, some_events, write_project

SEEDS = [int(seed) for seed in os.environ.get("ETL_SEEDS", "3").split(",")]
FLOWS = os.environ.get("ETL_FLOWS", ",".join(MODELS)).split(",")


@pytest.mark.property
@pytest.mark.parametrize("seed", SEEDS)
def test_state_holds_what_the_rows_that_were_not_late_make_in_any_split_and_mode(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    states = {name: Watched(MODELS[name][0]) for name in FLOWS}
    landed: dict[str, list[list[Event | str]]] = {"clicks": [], "views": []}
    told: list[str] = []
    now = 0
    for arrival in range(4):
        new: dict[str, list[list[Event | str]]] = {"clicks": [], "views": []}
        for _ in range(dice.randrange(1, 4)):
            now += dice.choice([3, 12, 40])
            source = (
                dice.choice(["clicks", "clicks", "views"]) if arrival else ("clicks", "views")[len(new["clicks"]) > 0]
            )
            events = some_events(dice, dice.randrange(1, 12), now)
            land(tmp_path, source, len(landed[source]) + len(new[source]), events)
            new[source].append(events)
        mode = "batch" if dice.random() < 0.3 else "stream"
        way = "continuous" if mode == "stream" and dice.random() < 0.4 else mode
        told.append(f"{way} { ({name: len(files) for name, files in new.items()}) }")
        for name in landed:
            landed[name] += new[name]
        for state in states.values():
            state.late = 0
            if all(not new[source] for source in state.delays):
                continue
            if mode == "batch":
                state.forget()
                state.epoch({source: [item for file in landed[source] for item in file] for source in landed})
                continue
            for number in range(max(len(new[source]) for source in state.delays)):
                state.epoch({source: files[number] for source, files in new.items() if number < len(files)})
        result = run_in(way, tmp_path / "pipelines" / "shop", select=FLOWS)
        assert result.status == "succeeded", (seed, told, [flow.failure for flow in result.flows])
        for flow in result.flows:
            expected = sorted(MODELS[flow.flow][1](states[flow.flow]), key=repr)
            assert rows(tmp_path / ".etl" / "local" / "tables" / "shop" / flow.flow) == expected, (
                seed,
                told,
                flow.flow,
            )
            assert flow.counts.late == states[flow.flow].late, (seed, told, flow.flow)
    assert etl.load("shop").audit().holds
