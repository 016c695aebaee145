"""The pipeline's Python functions, tested with chispa alone: they are plain functions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def transforms() -> ModuleType:
    file = Path(__file__).parents[2] / "pipelines" / "nyc_flights" / "transforms.py"
    spec = importlib.util.spec_from_file_location("nyc_transforms", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_weather_is_given_in_celsius_beside_fahrenheit(spark: SparkSession, transforms: ModuleType) -> None:
    columns = "origin STRING, time_hour TIMESTAMP, temp DOUBLE, humid DOUBLE, wind_dir INT, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE, dewp DOUBLE"
    readings = spark.createDataFrame([("EWR", None, 212.0, 50.0, 90, 0.0, 0.0, 10.0, 1.0)], columns)
    found = transforms.weather_clean(readings).select("origin", "temp", "temp_celsius")
    assert_df_equality(
        found, spark.createDataFrame([("EWR", 212.0, 100.0)], "origin STRING, temp DOUBLE, temp_celsius DOUBLE")
    )


def test_an_hour_read_twice_counts_each_departure_once(spark: SparkSession, transforms: ModuleType) -> None:
    hour = spark.sql("SELECT TIMESTAMP '2013-11-03 05:00:00' AS t").first()[0]
    flights = spark.createDataFrame(
        [("EWR", hour, 10), ("EWR", hour, 20)], "origin STRING, time_hour TIMESTAMP, dep_delay INT"
    )
    weather = spark.createDataFrame(
        [("EWR", hour, 50.0, 4.0, 0.0, 10.0), ("EWR", hour, 52.0, 6.0, 0.1, 8.0)],
        "origin STRING, time_hour TIMESTAMP, temp DOUBLE, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE",
    )
    found = transforms.delay_by_hour(flights, weather, {"min_delay": 15}).drop("time_hour")
    expected = spark.createDataFrame(
        [("EWR", 2, 1, 15.0, 51.0, 5.0, 0.1, 9.0)],
        "origin STRING, departures BIGINT, late_departures BIGINT, mean_delay DOUBLE, temp DOUBLE, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE",
    )
    assert_df_equality(found, expected, ignore_nullable=True)


def test_a_departure_without_a_reading_is_kept(spark: SparkSession, transforms: ModuleType) -> None:
    hour = spark.sql("SELECT TIMESTAMP '2013-01-01 05:00:00' AS t").first()[0]
    flights = spark.createDataFrame([("LGA", hour, 0)], "origin STRING, time_hour TIMESTAMP, dep_delay INT")
    weather = spark.createDataFrame(
        [], "origin STRING, time_hour TIMESTAMP, temp DOUBLE, wind_speed DOUBLE, precip DOUBLE, visib DOUBLE"
    )
    found = transforms.delay_by_hour(flights, weather, {"min_delay": 15}).select("origin", "departures", "temp")
    assert_df_equality(
        found,
        spark.createDataFrame([("LGA", 1, None)], "origin STRING, departures BIGINT, temp DOUBLE"),
        ignore_nullable=True,
    )
