"""Invariant 3 at every named point: a run that dies there, and the next one, make the tables that an undisturbed run makes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
from pyspark.sql import SparkSession

import etl
from etl.engine.crash_points import OF_MAINTENANCE, Crash, Point, armed, reach
from etl.engine.run import epoch_commit
from tests.support.crash_cases import FLOWS, actual, arrive, model, write_project
from tests.support.leftovers import left_behind

Mode = Literal["batch", "stream"]
SEED = int(os.environ.get("ETL_CRASH_SEED", "5"))
# Each flow dies at another point in each round: three rounds are all points, as many rounds as points all pairs (`make attack-crash`).
ROUNDS = int(os.environ.get("ETL_CRASH_ROUNDS", "3"))
ELSEWHERE = {
    Point.NOTHING_STREAMED,
    Point.ATTEMPT_FAILED,
    Point.HOLDING,
    Point.HELD,
    Point.ORPHANED_FILE_REMOVED,
    *OF_MAINTENANCE,
}  # they have tests of their own
NEVER = {"batch": {Point.COLUMNS_ADDED}, "stream": {Point.GENERATION_OPENED}}
NOT_BY = {
    Point.QUARANTINE_COMMITTED: {"latest", "versions", "everything"},
    Point.STREAM_OPENED: {"everything"},
    Point.STREAM_ENDED: {"everything"},
}


def schedule(mode: Mode) -> list[list[tuple[str, Point]]]:
    """Rounds in which each flow dies at a point where it has not died yet, while there is one; where nobody has, if there is such a point."""
    points = [point for point in Point if point not in ELSEWHERE | NEVER[mode]]
    points.sort(
        key=lambda point: point is Point.COLUMNS_ADDED
    )  # not in the first round, which rebuilds what was copied elsewhere
    open_to = {flow: [point for point in points if flow not in NOT_BY.get(point, ())] for flow in FLOWS}
    seen: set[Point] = set()
    rounds = []
    while any(open_to.values()):
        chosen = []
        for flow in reversed(FLOWS):
            left = open_to[flow]
            if left:
                point = next((point for point in left if point not in seen), left[0])
                seen.add(point)
                left.remove(point)
                chosen.append((flow, point))
        rounds.append(chosen[::-1])  # in the order in which they read each other
    return rounds


def crash(flow: str, point: Point, mode: Mode) -> bool:
    """Run a flow until it dies at the point, and then to its end; False where it never came to the point."""
    with armed(point) as found, contextlib.suppress(Crash):
        etl.load("chain").run(mode=mode, select=[flow])
    finish(flow, mode)
    return found.crashed


def finish(flow: str, mode: Mode) -> None:
    """Run a flow to its end."""
    result = etl.load("chain").run(mode=mode, select=[flow])
    assert result.status in ("succeeded", "unchanged"), (flow, mode, [item.failure for item in result.flows])


@pytest.fixture(scope="module")
def prepared(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A project whose flows have a generation with data."""
    root = write_project(tmp_path_factory.mktemp("prepared"))
    events: list[Any] = []
    dice = random.Random(SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for number in range(1):
            arrive(root, dice, events, f"{number}.json")
            assert etl.load("chain").run(mode="stream").status == "succeeded"
    return root, events


@pytest.mark.crash
@pytest.mark.spark
@pytest.mark.timeout(200 * ROUNDS)
@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_crash_at_each_point_in_each_flow_changes_nothing(
    prepared: tuple[Path, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, spark: SparkSession
) -> None:
    source, events = prepared[0], list(prepared[1])
    root = tmp_path / "project"
    shutil.copytree(source, root)
    monkeypatch.chdir(root)
    dice = random.Random(SEED)
    crashed: set[Point] = set()
    for number, died in enumerate(schedule(mode)[:ROUNDS]):
        arrive(root, dice, events, f"{dice.randrange(1000)}-{number}.json")
        at = dict(died)
        for flow in FLOWS:
            if flow in at:
                assert crash(flow, at[flow], mode), f"{flow} never comes to {at[flow]} in mode {mode}"
                crashed.add(at[flow])
            else:  # it has died everywhere already; the others read it
                finish(flow, mode)
        found, wanted = actual(root), model(events)
        for name, expected in wanted.items():
            assert found[name] == expected, (SEED, mode, died, name)
        assert left_behind(root / ".etl" / "local") == [], (mode, died)
    assert crashed == set(Point) - ELSEWHERE - NEVER[mode]
    audited = etl.load("chain").audit()
    assert audited.holds, audited
    assert etl.load("chain").run(mode=mode).status == "unchanged"


@pytest.mark.crash
@pytest.mark.spark
def test_a_crash_before_an_empty_target_and_one_between_two_attempts_change_nothing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert crash("clean", Point.NOTHING_STREAMED, "stream")
    assert actual(tmp_path, ["clean"]) == {"clean": []}
    events: list[Any] = []
    arrive(tmp_path, random.Random(SEED), events, "1.json")

    def unlucky(point: Point) -> None:
        if point is Point.TARGET_COMMITTING:
            message = "the storage is gone for a moment"
            raise OSError(message)

    monkeypatch.setattr(epoch_commit, "reach", unlucky)
    with armed(Point.ATTEMPT_FAILED), pytest.raises(Crash):
        etl.load("chain").run(mode="stream", select=["clean"])
    monkeypatch.setattr(epoch_commit, "reach", reach)
    assert etl.load("chain").run(mode="stream", select=["clean"]).status == "succeeded"
    assert actual(tmp_path, ["clean"])["clean"] == model(events)["clean"]
    assert left_behind(tmp_path / ".etl" / "local") == []


@pytest.mark.crash
@pytest.mark.spark
@pytest.mark.parametrize("point", [Point.TARGET_COMMITTING, Point.TARGET_COMMITTED])
def test_a_rebuild_that_dies_around_its_swap_more_than_once_ends_in_the_same_table(
    prepared: tuple[Path, list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: Point
) -> None:
    root = tmp_path / "project"
    shutil.copytree(prepared[0], root)
    monkeypatch.chdir(root)
    names = ["clean", "versions"]
    wanted = {name: model(prepared[1])[name] for name in names}
    for _ in range(2):
        with armed(point), pytest.raises(Crash):
            etl.load("chain").run(mode="stream", full_refresh=True, select=["versions"])
        assert actual(root, names) == wanted, "readers see the old table or the new one"
    assert etl.load("chain").run(mode="stream", select=["versions"]).status != "failed"
    assert actual(root, names) == wanted
    assert left_behind(root / ".etl" / "local") == []
    assert etl.load("chain").audit().holds
