"""Planted trends, bots and pairs are found in both modes: docs/stories/clickstream.md followed, and judged by DuckDB from the landed files."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession

import etl
from tests.pipelines.click_oracle import Oracle
from tests.pipelines.story import Story, load
from tests.support.independent import arrow, stamps

landing = load("clickstream", "landing")
score = load("clickstream", "score")
transforms = load("clickstream", "transforms")
PARAMS = {"long_look": 30, "top_categories": 2, "pair_sessions": 2, "recommended": 2}
EVENTS = "user_id STRING, session_id STRING, item_id STRING, kind STRING, dwell_s DOUBLE"
MODES = {"batch": "local", "stream": "trial"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Story:
    return Story("clickstream.md", tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def oracle(story: Story) -> Oracle:
    return Oracle(story.root / "landing" / "clickstream")


@pytest.mark.parametrize("mode", MODES)
def test_every_table_is_what_duckdb_makes_of_the_landed_files(story: Story, oracle: Oracle, mode: str) -> None:
    assert oracle.differences(story.storage(MODES[mode])) == {}
    assert etl.load(story.root / "pipelines" / "clickstream", env=MODES[mode]).audit().holds


def test_the_landed_data_are_as_nasty_as_they_say(oracle: Oracle) -> None:
    reasons = {row["reason"] for row in oracle.rows("SELECT _etl_reason AS reason FROM events_quarantine")}
    assert reasons == {"malformed", "identified", "known_kind", "plausible_dwell"}
    (sent,) = oracle.rows(
        "SELECT count(*) AS n, count(DISTINCT event_id) AS ids, count(*) FILTER (contains(agent, 'bot')) AS crawled FROM events"
    )
    assert sent["ids"] + 100 < sent["n"], "duplicates"
    assert sent["crawled"] > 100
    (late,) = oracle.rows(
        "SELECT count(*) AS n FROM accounts a JOIN accounts d USING (user_id) WHERE d.kind = 'deleted' AND a.kind = 'changed'"
    )
    assert late["n"] == landing.DELETED


def test_late_events_came_late_to_the_stream(story: Story) -> None:
    events_clean = stamps(story.storage("trial") / "tables" / "clickstream" / "events_clean")
    epochs = [stamp["epoch"] for stamp in events_clean if stamp]
    assert epochs == list(range(len(epochs)))
    assert len(epochs) >= 3, "two runs, at most four files to an epoch"
    trending = stamps(story.storage("trial") / "tables" / "clickstream" / "trending")
    assert [stamp["epoch"] for stamp in trending if stamp] == [0, 1], "one more when events had arrived"


def test_what_was_planted_is_found_and_the_scores_are_the_same_in_both_modes(
    story: Story, tell: Callable[[str], None]
) -> None:
    found = {mode: scores(story.storage(environment), story) for mode, environment in MODES.items()}
    for mode, lines in found.items():
        tell("\n  ".join([f"{mode}:", *map(str, lines)]))
    assert found["batch"] == found["stream"]
    trends, bots, pairs = found["batch"]
    assert (trends.planted, trends.recall) == (landing.TRENDS, 1.0)
    assert trends.precision >= 0.7
    assert (bots.planted, bots.recall, bots.precision) == (landing.BOTS, 1.0, 1.0)
    assert (pairs.planted, pairs.recall) == (2 * landing.PAIRS, 1.0)
    assert story.scores() == [[str(line) for line in found[mode]] for mode in MODES]
    assert "```text\n{}\n{}\n{}\n```".format(*found["batch"]) in story.text


def scores(storage: Path, story: Story) -> list[Any]:
    def rows(flow: str) -> list[dict[str, Any]]:
        return arrow(storage / "tables" / "clickstream" / flow).to_pylist()

    planted = score.planted(story.root / "landing" / "clickstream")
    return [
        score.score_trends(rows("trending"), planted["trends"]),
        score.score_bots(rows("bots"), planted["bots"]),
        score.score_pairs(rows("co_viewed"), planted["pairs"]),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_deleted_account_leaves_no_profile_and_no_recommendation(story: Story, mode: str) -> None:
    deleted = set(score.planted(story.root / "landing" / "clickstream")["deleted"])
    assert len(deleted) == landing.DELETED
    for flow, others in (("users", 228), ("profiles", 228), ("recommendations", 228)):
        users = set(arrow(story.storage(MODES[mode]) / "tables" / "clickstream" / flow)["user_id"].to_pylist())
        assert not users & deleted
        assert len(users) == others


@pytest.mark.property
def test_the_bounds_hold_for_shops_on_which_they_were_not_chosen(tmp_path: Path) -> None:
    planted = found = named = right = 0
    for seed in (11, 12, 13):
        folder = tmp_path / str(seed)
        landing.land(folder, seed=seed)
        trends = score.score_trends(Oracle(folder).rows("FROM trending"), score.planted(folder)["trends"])
        planted, found = planted + trends.planted, found + trends.found
        named, right = named + trends.named, right + trends.right
    assert found >= 0.85 * planted
    assert right >= 0.75 * named


def test_the_pipeline_s_own_tests_pass_in_both_modes(story: Story) -> None:
    (said,) = (output for command, output in story.said if "etl test" in command)
    assert said.endswith("4 tests in both modes: 8 passed\n")


def test_landing_two_days_and_then_the_rest_lands_the_same_as_landing_all(story: Story) -> None:
    whole, parts = (_digests(story.root / "landing" / name) for name in ("clickstream", "trial"))
    assert whole == parts
    assert len(whole) > 10


def _digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_trend_is_right_in_its_hours_and_found_only_at_its_start() -> None:
    noon = dt.datetime(2024, 5, 7, 12, tzinfo=dt.UTC)
    trends = [{"item_id": name, "starts_at": noon, "ends_at": noon + 3 * score.HOUR} for name in "ab"]
    named = [
        {"item_id": name, "hour": noon + hour * score.HOUR}
        for name, hour in (("a", 1), ("a", 2), ("a", 3), ("b", 2), ("c", 0))
    ]
    found = score.score_trends(named, trends)
    assert (found.recall, found.precision) == (0.5, 0.6)


def events(spark: SparkSession, *rows: tuple[Any, ...]) -> DataFrame:
    return spark.createDataFrame(list(rows), EVENTS)


def test_a_profile_weighs_clicks_and_long_looks_and_knows_neither_bots_nor_strangers(spark: SparkSession) -> None:
    items = spark.createDataFrame([("i1", "books"), ("i2", "music"), ("i3", "toys")], "item_id STRING, category STRING")
    users = spark.createDataFrame([("ann", "AT"), ("bot", "AT")], "user_id STRING, country STRING")
    happened = events(
        spark,
        ("ann", "s", "i1", "view", 5.0),
        ("ann", "s", "i1", "click", None),
        ("ann", "s", "i2", "view", 30.0),
        ("ann", "s", "i3", "view", 29.9),
        ("bot", "s", "i1", "view", 5.0),
        ("eve", "s", "i1", "view", 5.0),
    )
    bots = spark.createDataFrame([("bot", 1)], "user_id STRING, busy_hours INT")
    assert_df_equality(
        transforms.profiles(happened, items, users, bots, PARAMS),
        spark.createDataFrame(
            [("ann", "AT", 1, "books", 6, 1, 6 / 9), ("ann", "AT", 2, "music", 2, 0, 2 / 9)],
            "user_id STRING, country STRING, rank INT, category STRING, points BIGINT, clicks BIGINT, affinity DOUBLE",
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )


def test_items_of_the_same_sessions_belong_together_and_what_is_in_every_session_less_so(spark: SparkSession) -> None:
    sessions = {"s1": "abx", "s2": "abx", "s3": "cx", "s4": "cx", "s5": "ac", "bots": "ac"}
    happened = events(
        spark, *((name, name, item, "view", 1.0) for name, items in sessions.items() for item in items + items)
    )
    bots = spark.createDataFrame([("bots",)], "user_id STRING")
    assert_df_equality(
        transforms.co_viewed(happened, bots, PARAMS).filter("item_id = 'a'"),
        spark.createDataFrame(
            [("a", 1, "b", 2, 2.0), ("a", 2, "x", 2, 1.0)],
            "item_id STRING, rank INT, other_id STRING, sessions BIGINT, strength DOUBLE",
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )


def test_what_a_user_has_seen_is_not_recommended_again(spark: SparkSession) -> None:
    happened = events(
        spark, ("ann", "s", "a", "view", 1.0), ("ann", "s", "b", "view", 1.0), ("eve", "s", "a", "view", 1.0)
    )
    co_viewed = spark.createDataFrame(
        [("a", "b", 9), ("a", "c", 3), ("a", "d", 2), ("b", "d", 2), ("b", "e", 1)],
        "item_id STRING, other_id STRING, sessions BIGINT",
    )
    items = spark.createDataFrame(
        [(name, name.upper(), 1.5) for name in "abcde"], "item_id STRING, title STRING, price DOUBLE"
    )
    users = spark.createDataFrame([("ann",)], "user_id STRING")
    assert_df_equality(
        transforms.recommendations(happened, co_viewed, items, users, PARAMS),
        spark.createDataFrame(
            [("ann", 1, "d", "D", 1.5, 4), ("ann", 2, "c", "C", 1.5, 3)],
            "user_id STRING, rank INT, item_id STRING, title STRING, price DOUBLE, sessions BIGINT",
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )
