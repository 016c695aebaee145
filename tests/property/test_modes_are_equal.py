"""Invariants 1, 2 and 5: whatever the split, the order and the modes, the tables are what one batch over all input makes."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from tests.support.engine_cases import PEOPLE, actual, land, model, write_project
from tests.support.going_on import run_in
from tests.support.independent import stamps

SEEDS = [int(seed) for seed in os.environ.get("ETL_SEEDS", "1,2,3,4").split(",")]


def orders(dice: random.Random, count: int) -> list[dict[str, Any] | str]:
    """Orders with duplicates, ties, deletes, nulls, unknown people, and lines that are no JSON."""
    found: list[dict[str, Any] | str] = []
    for _ in range(count):
        if dice.random() < 0.05:
            found.append(f"garbled {dice.randrange(10_000)}")
            continue
        order = {
            "id": dice.randrange(12),
            "who": dice.choice(["a", "b", "c", "zz"]),
            "amount": dice.choice([None, -1, 0, 1, 5, 9]),
            "seq": dice.randrange(6),
            "gone": dice.choice([True, False, False, None]),
        }
        found.append(order)
        if dice.random() < 0.1:
            found.append(dict(order))
    return found


def late_ones(dice: random.Random, everything: list[dict[str, Any] | str]) -> list[dict[str, Any] | str]:
    """Of one order that is deleted an older event, which must not bring it back; none where none is deleted."""
    judged = [o for o in everything if not isinstance(o, str) and o["who"] in PEOPLE and (o["amount"] or 0) > 0]
    newest = {number: max(o["seq"] for o in judged if o["id"] == number) for number in {o["id"] for o in judged}}
    deleted = [
        number
        for number, seq in newest.items()
        if seq > 0 and all(o["gone"] for o in judged if (o["id"], o["seq"]) == (number, seq))
    ]
    if not deleted:
        return []
    number = dice.choice(sorted(deleted))
    return [{"id": number, "who": "a", "amount": 3, "seq": newest[number] - 1, "gone": False}]


@pytest.mark.property
@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_order_and_switch_of_modes_ends_in_the_model_s_tables(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    everything: list[dict[str, Any] | str] = []
    modes = []
    for arrival in range(4):
        for part in range(dice.randrange(1, 3)):
            new = [*orders(dice, dice.randrange(1, 25)), *late_ones(dice, everything)]
            everything += new
            land(tmp_path, f"{dice.randrange(10**6):06}-{arrival}-{part}.json", new)
        mode = dice.choice(["batch", "stream", "continuous"])
        modes.append(mode)
        result = run_in(mode, tmp_path / "pipelines" / "shop.yml")
        assert result.status == "succeeded", (seed, modes, [flow.failure for flow in result.flows])
        assert actual(tmp_path) == model(everything), (seed, modes)
    assert etl.load("shop").audit().holds
    assert etl.load("shop").run(mode="stream").status == "unchanged"
    assert etl.load("shop").run(mode="batch").status == "unchanged"
    for flow in etl.load("shop").spec.flows:
        for stamp in stamps(tmp_path / ".etl" / "local" / "tables" / "shop" / flow.name):
            assert {"pipeline", "flow", "run", "generation", "epoch", "from", "to", "fingerprint"} <= stamp.keys()


@pytest.mark.property
def test_the_model_is_not_blind() -> None:
    dice = random.Random(7)
    some = orders(dice, 40)
    assert model(some) != model(some[:-20])
    shuffled = list(some)
    dice.shuffle(shuffled)
    assert model(some) == model(shuffled)
