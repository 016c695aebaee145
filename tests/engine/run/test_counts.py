"""Counts are exact: of flows side by side, whoever touches what they cached, and of a state flow whose query ends as it is looked at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

import etl
from etl.engine.frames.tally import Tally
from etl.engine.session.views import name_frame
from tests.support.counting import MINUTES, RUNS, count, told, write_project

pytestmark = pytest.mark.spark

Project = Callable[[Mapping[str, str]], Path]


@pytest.mark.timeout(120 + 60 * RUNS)
def test_flows_side_by_side_in_the_user_s_session_count_each_row_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[str], None]
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    done, wrong = count(tmp_path, RUNS)
    tell(told(done, wrong, "the user's session"))
    assert wrong == []


@pytest.mark.system
@pytest.mark.timeout(120 + 60 * RUNS)
def test_flows_side_by_side_in_a_session_of_ours_count_each_row_once(tell: Callable[[str], None]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.counting", str(RUNS)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    tell(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_name_for_rows_leaves_what_others_have_cached_under_that_name(spark: SparkSession) -> None:
    one, other = spark.newSession(), spark.newSession()
    name_frame(one.range(3).toDF("a"), "src")
    kept = one.sql("SELECT a + 1 AS b FROM src").persist()
    try:
        for size in (4, 5):
            name_frame(other.range(size).toDF("a"), "src")
        assert other.sql("SELECT * FROM src").count() == 5
        assert kept.storageLevel.useMemory
    finally:
        kept.unpersist()


@pytest.mark.parametrize("first", [True, False], ids=["before it is counted", "after it was counted"])
def test_a_cache_that_somebody_releases_makes_no_row_count_twice(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    recount = Tally.recount

    def released(tally: Tally, rows: DataFrame | None = None) -> Mapping[str, int]:
        if rows is None:
            return recount(tally)
        found = {} if first else recount(tally, rows)
        rows.count()
        spark.catalog.clearCache()
        rows.count()  # as a merge does, that reads its rows once more
        return recount(tally, rows) if first else found

    monkeypatch.setattr(Tally, "recount", released)
    (flow,) = etl.load("counts").run(mode="batch", select=["m"]).flows
    assert (flow.counts.read, flow.counts.written, flow.counts.merged) == (4, 3, 1)


def test_a_query_that_ends_while_it_is_looked_at_has_told_all_of_its_late_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    progress = StreamingQuery.recentProgress.fget  # type: ignore[attr-defined]  # it is a property
    missed: list[int] = []

    def look(query: StreamingQuery) -> Any:
        active, found = query.isActive, progress(query)
        if active and len(found) >= len(
            MINUTES
        ):  # it has not told of its last rows yet, and ends before it is asked whether it has
            query.awaitTermination()
            missed.append(len(found))
            return found[: len(MINUTES) - 1]
        return found

    monkeypatch.setattr(StreamingQuery, "recentProgress", property(look))
    (flow,) = etl.load("counts").run(mode="stream", select=["closed"]).flows
    assert (flow.counts.read, flow.counts.written, flow.counts.late) == (12, 2, 5)
    assert missed
