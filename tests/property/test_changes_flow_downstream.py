"""Invariants 1, 2 and 5 where targets change and lose rows: change feeds, touched groups, histories, chains of four flows."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.changing_cases import FLOWS, Row, actual, land, model, write_project
from tests.support.going_on import run_in
from tests.support.independent import stamps

SEEDS = [int(seed) for seed in os.environ.get("ETL_SEEDS", "38").split(",")]


def some_events(dice: random.Random, count: int) -> list[Row | str]:
    """Events with duplicates, ties, deletes, null groups, and lines that are no JSON."""
    found: list[Row | str] = []
    for _ in range(count):
        if dice.random() < 0.06:
            found.append(dice.choice([f"garbled {dice.randrange(1000)}", '{"k": "a", "v": "many"}']))
            continue
        found.append(
            {
                "k": dice.choice("abcdefgh"),
                "g": dice.choice(["x", "y", "Y", "z", None]),
                "v": dice.choice([None, -1, 0, 1, 2, 5, 9]),
                "seq": dice.randrange(8),
                "gone": dice.choice([True, False, False, None]),
            }
        )
        if dice.random() < 0.1:
            found.append(found[-1])
    return found


def a_move(dice: random.Random, events: list[Row | str], seq: int) -> list[Row | str]:
    """One event alone, by which a row leaves a group that nothing else touches."""
    known = dice.choice([event for event in events if not isinstance(event, str)])
    group = dice.choice([g for g in ("x", "y", "Y", "z", None) if g != known["g"]])
    return [{"k": known["k"], "g": group, "v": dice.choice([1, 2, 5, 9]), "seq": seq, "gone": False}]


@pytest.mark.property
@pytest.mark.parametrize("seed", SEEDS)
def test_what_changes_upstream_reaches_every_reader_whatever_the_split_and_the_modes(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    events: list[Row | str] = []
    notes: list[Row] = []
    modes = []
    for arrival in range(3):
        moves = arrival > 0 and dice.random() < 0.5
        for part in range(1 if moves else dice.randrange(1, 4)):
            new = a_move(dice, events, 8 + arrival) if moves else some_events(dice, dice.randrange(1, 14))
            events += new
            land(tmp_path, "events", f"{dice.randrange(10**6):06}-{arrival}-{part}.json", new)
        if arrival == 0 or dice.random() < 0.5:
            more: list[Row] = [{"label": dice.choice(["x", "z", "q", None]), "w": dice.randrange(5)} for _ in range(3)]
            notes += more
            land(tmp_path, "notes", f"{arrival}.json", list(more))
        modes.append(dice.choice(["batch", "stream", "continuous"]))
        result = run_in(modes[-1], tmp_path / "pipelines" / "chain.yml")
        failures = [flow.failure for flow in result.flows if flow.failure]
        assert result.status == "succeeded", (seed, modes, failures)
        found, wanted = actual(tmp_path), model(events, notes)
        for name, expected in wanted.items():
            assert found[name] == expected, (seed, modes, name)
    assert etl.load("chain").audit().holds
    for flow in FLOWS:  # every commit says where it came from, that of a feed's beginning among them
        assert all(stamps(tmp_path / ".etl" / "local" / "tables" / "chain" / flow)), flow
    assert etl.load("chain").run(mode="stream").status == "unchanged"
    assert etl.load("chain").run(mode="batch").status == "unchanged"
