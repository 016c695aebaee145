"""Planted failures come out as alerts, in both modes: docs/stories/machine-health.md followed, and judged by DuckDB from the landed files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

import etl
from tests.pipelines.machine_oracle import Oracle
from tests.pipelines.story import Story, load
from tests.support.independent import rows, stamps

landing = load("machine_health", "landing")
score = load("machine_health", "score")
transforms = load("machine_health", "transforms")
BOUNDS = {"confirm_hours": 3, "vibration_rise": 1.35, "temperature_rise": 8.0, "pressure_fall": 0.93}
USUAL = "machine_id STRING, usual_temperature DOUBLE, usual_vibration DOUBLE, usual_pressure DOUBLE"
MODES = {"batch": "local", "stream": "trial"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Story:
    return Story("machine-health.md", tmp_path_factory.mktemp("story"))


@pytest.fixture(scope="module")
def oracle(story: Story) -> Oracle:
    return Oracle(story.root / "landing" / "machine_health")


@pytest.mark.parametrize("mode", MODES)
def test_every_table_is_what_duckdb_makes_of_the_landed_files(story: Story, oracle: Oracle, mode: str) -> None:
    assert oracle.differences(story.storage(MODES[mode])) == {}
    assert etl.load(story.root / "pipelines" / "machine_health", env=MODES[mode]).audit().holds


def test_the_landed_data_are_as_nasty_as_they_say(oracle: Oracle) -> None:
    reasons = {
        row["reason"]: row["n"]
        for row in oracle.rows("SELECT _etl_reason AS reason, count(*) AS n FROM readings_quarantine GROUP BY ALL")
    }
    assert reasons.keys() == {
        "malformed",
        "known_machine",
        "plausible_temperature",
        "plausible_vibration",
        "plausible_pressure",
    }
    (found,) = oracle.rows(
        "SELECT count(*) AS n, count(DISTINCT (machine_id, read_at)) AS readings, count(temperature + vibration + pressure + rpm + current_draw) AS whole FROM readings_clean"
    )
    assert found["readings"] + 100 < found["n"], "duplicates"
    assert found["whole"] + 100 < found["n"], "sensors that drop out"


def test_late_readings_came_late_to_the_stream(story: Story) -> None:
    readings_clean = stamps(story.storage("trial") / "tables" / "machine_health" / "readings_clean")
    epochs = [stamp["epoch"] for stamp in readings_clean if stamp]
    assert epochs == list(range(len(epochs)))
    assert len(epochs) >= 3, "two runs, at most sixteen files to an epoch"
    machine_hours = stamps(story.storage("trial") / "tables" / "machine_health" / "machine_hours")
    assert [stamp["epoch"] for stamp in machine_hours if stamp] == [0, 1], "one more when readings had arrived"


def test_alerts_come_before_the_planted_failures_and_the_score_is_the_same_in_both_modes(
    story: Story, tell: Callable[[str], None]
) -> None:
    planted = score.planted_failures(story.root / "landing" / "machine_health")
    found = {}
    for mode, environment in MODES.items():
        names = ("machine_id", "failure_mode", "raised_at")
        table = rows(story.storage(environment) / "tables" / "machine_health" / "alerts", ", ".join(names))
        found[mode] = score.score([dict(zip(names, row, strict=True)) for row in table], planted)
        tell(f"{mode}: {found[mode]}")
    assert found["batch"] == found["stream"]
    assert found["batch"].failures == 9
    assert found["batch"].recall >= 0.85
    assert found["batch"].precision >= 0.85
    assert found["batch"].hours_ahead[-1] > 12
    assert story.scores() == [[str(found["batch"])], [str(found["stream"])]]
    assert f"```text\n{found['batch']}\n```" in story.text


@pytest.mark.property
def test_the_bounds_hold_for_factories_on_which_they_were_not_chosen(tmp_path: Path) -> None:
    total = {"failures": 0, "found": 0, "alerts": 0, "right": 0}
    for seed in (11, 12, 13):
        landing.land(tmp_path / str(seed), seed=seed)
        alerts = Oracle(tmp_path / str(seed)).rows("FROM alerts")
        found = score.score(alerts, score.planted_failures(tmp_path / str(seed)))
        total = {name: count + getattr(found, name) for name, count in total.items()}
    assert total["found"] >= 0.8 * total["failures"]
    assert total["right"] >= 0.75 * total["alerts"]


def test_an_alert_of_the_first_days_is_closed_by_a_repair_that_is_logged_later(story: Story) -> None:
    runs = [output for command, output in story.said if "--mode stream" in command]
    written = [
        re.search(r"^alerts_open: epoch \d+ of generation 0: \d+ read, (\d+) written", run, re.MULTILINE)
        for run in runs
    ]
    assert [found and found[1] for found in written] == ["1", "0"]


def test_the_pipeline_s_own_tests_pass_in_both_modes(story: Story) -> None:
    (said,) = (output for command, output in story.said if "etl test" in command)
    assert said.endswith("4 tests in both modes: 8 passed\n")


def test_landing_two_days_and_then_the_rest_lands_the_same_as_landing_all(story: Story) -> None:
    whole, parts = (_digests(story.root / "landing" / name) for name in ("machine_health", "trial"))
    assert whole == parts
    assert len(whole) > 10


def _digests(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_score_counts_what_is_missed_false_and_too_late() -> None:
    failures = [{"machine_id": name, "failure_mode": "leak", "starts_at": 10, "fails_at": 20} for name in "ab"]
    hours = [{**item, "starts_at": _at(item["starts_at"]), "fails_at": _at(item["fails_at"])} for item in failures]
    alerts = [("a", "leak", 12), ("a", "leak", 15), ("a", "bearing", 15), ("b", "leak", 9), ("b", "leak", 20)]
    found = score.score([{"machine_id": m, "failure_mode": f, "raised_at": _at(h)} for m, f, h in alerts], hours)
    assert (found.recall, found.precision, found.hours_ahead) == (0.5, 0.4, (8.0,))


def _at(hour: int) -> object:
    return landing.START + landing.FILE / 6 * hour


def hours_of(spark: SparkSession, machine: str, vibration: list[float | None]) -> DataFrame:
    """A machine's hours from midnight on, all usual but for the vibration."""
    data = [(machine, hour, 50.0, value, 5.0) for hour, value in enumerate(vibration)]
    frame = spark.createDataFrame(
        data, "machine_id STRING, n INT, temperature DOUBLE, vibration DOUBLE, pressure DOUBLE"
    )
    return frame.withColumn("hour", F.expr("TIMESTAMP '2024-03-05 00:00:00' + make_interval(0, 0, 0, 0, n)")).drop("n")


def raised(spark: SparkSession, vibration: list[float | None]) -> list[int]:
    """The hours of day at which alerts are raised, where 2.0 is usual."""
    usual = spark.createDataFrame([("M1", 50.0, 2.0, 5.0)], USUAL)
    found = transforms.alerts(hours_of(spark, "M1", vibration), usual, BOUNDS)
    return [row["at"] for row in found.orderBy("raised_at").select(F.hour("raised_at").alias("at")).collect()]


def test_a_sign_must_show_three_hours_on_end_and_is_one_alert_while_it_lasts(spark: SparkSession) -> None:
    assert raised(spark, [2.0, 9.0, 9.0, 2.0, 9.0, 9.0]) == []
    assert raised(spark, [2.0, 3.0, 3.0, 3.0, 3.0, 3.0]) == [4]
    assert raised(spark, [3.0, 3.0, 3.0, 2.0, 3.0, 3.0, 3.0]) == [3, 7]


def test_an_hour_without_a_value_shows_nothing(spark: SparkSession) -> None:
    assert raised(spark, [3.0, 3.0, None, 3.0, 3.0]) == []


def test_each_way_to_fail_has_its_sign(spark: SparkSession) -> None:
    usual = spark.createDataFrame([(name, 50.0, 2.0, 5.0) for name in ("hot", "shaking", "leaking", "well")], USUAL)
    columns = "machine_id STRING, n INT, temperature DOUBLE, vibration DOUBLE, pressure DOUBLE"
    last = {"hot": (59.0, 2.0, 5.0), "shaking": (50.0, 3.0, 5.0), "leaking": (50.0, 2.0, 4.0), "well": (57.0, 2.5, 4.8)}
    data = [(name, hour, *values) for name, values in last.items() for hour in range(3)]
    machine_hours = (
        spark.createDataFrame(data, columns).withColumn("hour", F.timestamp_seconds(F.col("n") * 3600)).drop("n")
    )
    assert_df_equality(
        transforms.alerts(machine_hours, usual, BOUNDS).select("machine_id", "failure_mode", "value", "bound"),
        spark.createDataFrame(
            [("shaking", "bearing", 3.0, 2.7), ("hot", "overheating", 59.0, 58.0), ("leaking", "leak", 4.0, 4.65)],
            "machine_id STRING, failure_mode STRING, value DOUBLE, bound DOUBLE",
        ),
        ignore_nullable=True,
        ignore_row_order=True,
    )


def test_an_alert_is_open_until_somebody_works_on_the_machine(spark: SparkSession) -> None:
    at = "TIMESTAMP '2024-03-05 {:02}:00:00'".format
    alerts = spark.sql(
        f"SELECT * FROM VALUES ('M1', {at(4)}), ('M2', {at(4)}), ('M3', {at(4)}) AS t(machine_id, raised_at)"
    )
    service_log = spark.sql(f"SELECT * FROM VALUES ('M1', {at(3)}), ('M2', {at(4)}) AS t(machine_id, started_at)")
    status = spark.sql(
        f"SELECT machine_id, 'north' AS line, 'P-100' AS model, {at(9)} AS read_at FROM VALUES ('M1'), ('M2') AS t(machine_id)"
    )
    assert_df_equality(
        transforms.alerts_open(alerts, service_log, status),
        spark.sql(
            f"SELECT 'M1' AS machine_id, {at(4)} AS raised_at, 'north' AS line, 'P-100' AS model, {at(9)} AS last_read_at"
        ),
        ignore_nullable=True,
    )
