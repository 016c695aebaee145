from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def test_an_active_session_is_used_as_it_is_and_never_stopped(spark: SparkSession) -> None:
    spark.range(3).count()  # Delta itself sets something in a session that computes for the first time
    before = dict(spark.conf.getAll)
    handle = open_session(SparkSpec(conf=(("spark.sql.shuffle.partitions", "77"),)), app_name="other", short=False)
    handle.close()
    assert not handle.owned
    assert spark.range(3).count() == 3
    assert dict(spark.conf.getAll) == before


def test_a_session_is_found_from_any_thread(spark: SparkSession) -> None:
    with ThreadPoolExecutor(1) as pool:
        handle = pool.submit(open_session, SparkSpec(), app_name="thread", short=True).result()
        pool.submit(handle.close).result()
    assert not handle.owned
    assert spark.range(3).count() == 3


def test_a_flows_session_has_settings_and_views_of_its_own(request: pytest.FixtureRequest, spark: SparkSession) -> None:
    handle = open_session(SparkSpec(), app_name="flows", short=True)
    request.addfinalizer(handle.close)
    zone = spark.conf.get("spark.sql.session.timeZone")
    one, other = handle.flow_session("Asia/Tokyo"), handle.flow_session("UTC")
    one.range(1).createOrReplaceTempView("mine")
    assert one.conf.get("spark.sql.session.timeZone") == "Asia/Tokyo"
    assert other.conf.get("spark.sql.session.timeZone") == "UTC"
    assert spark.conf.get("spark.sql.session.timeZone") == zone
    assert not other.catalog.tableExists("mine")


def test_a_flows_session_pins_what_its_results_depend_on(request: pytest.FixtureRequest, spark: SparkSession) -> None:
    spark.conf.set("spark.sql.ansi.enabled", "false")
    try:
        handle = open_session(SparkSpec(), app_name="flows", short=True)
        request.addfinalizer(handle.close)
        session = handle.flow_session("UTC")
        assert session.conf.get("spark.sql.ansi.enabled") == "true"
    finally:
        spark.conf.set("spark.sql.ansi.enabled", "true")


def test_the_jvms_pid_is_a_running_javas(request: pytest.FixtureRequest, spark: SparkSession) -> None:
    handle = open_session(SparkSpec(), app_name="pid", short=True)
    request.addfinalizer(handle.close)
    pid = handle.jvm_pid()
    assert "java" in Path(f"/proc/{pid}/cmdline").read_text()


def test_spark_connect_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://somewhere")
    with pytest.raises(EnvironmentProblem, match="not supported yet"):
        open_session(SparkSpec(), app_name="connect", short=True)


def test_the_jobs_of_a_query_stand_in_the_pool_of_the_thread_that_started_it(
    request: pytest.FixtureRequest, spark: SparkSession, tmp_path: Path
) -> None:
    handle = open_session(SparkSpec(), app_name="pools", short=True)
    request.addfinalizer(handle.close)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a\n")
    pools: list[str | None] = []

    def note(rows: DataFrame, _: int) -> None:
        pools.append(rows.sparkSession.sparkContext.getLocalProperty("spark.scheduler.pool"))

    def run() -> None:
        rows = spark.readStream.text(str(tmp_path / "in"))
        with handle.in_pool("clean"):
            rows.writeStream.trigger(availableNow=True).foreachBatch(note).start().awaitTermination()

    before = spark.sparkContext.getLocalProperty("spark.scheduler.pool")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(run).result()
    run()
    assert pools == ["clean", "clean"]
    assert spark.sparkContext.getLocalProperty("spark.scheduler.pool") == before, "the thread is left as it was"
    assert spark.conf.get("spark.scheduler.mode") == "FAIR"
