"""The transforms of nyc_flights that read better as Python: plain functions, inputs by parameter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame


def weather_clean(weather: DataFrame) -> DataFrame:
    """The readings that the marts use, in Celsius and metres a second beside the sensors' own units."""
    return weather.select(
        "origin",
        "time_hour",
        "temp",
        ((F.col("temp") - 32) * 5 / 9).alias("temp_celsius"),
        "humid",
        "wind_dir",
        "wind_speed",
        (F.col("wind_speed") * 0.44704).alias("wind_metres_per_second"),
        "precip",
        "visib",
    )


def delay_by_hour(flights_clean: DataFrame, weather_clean: DataFrame, params: Mapping[str, Any]) -> DataFrame:
    """One row an origin and hour: how many departures, how late, and the weather of that hour where a sensor read it."""
    departures = flights_clean.groupBy("origin", "time_hour").agg(
        F.count(F.lit(1)).alias("departures"),
        F.count_if(F.col("dep_delay") >= params["min_delay"]).alias("late_departures"),
        F.avg("dep_delay").alias("mean_delay"),
    )
    # The hour that the clocks are set back is read twice, so readings are averaged by hour first.
    readings = weather_clean.groupBy("origin", "time_hour").agg(
        F.avg("temp").alias("temp"),
        F.avg("wind_speed").alias("wind_speed"),
        F.max("precip").alias("precip"),
        F.avg("visib").alias("visib"),
    )
    return departures.join(readings, ["origin", "time_hour"], "left")
