"""The transforms of machine_health that read better as Python: plain functions, inputs by parameter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame


def alerts(machine_hours: DataFrame, machine_baselines: DataFrame, params: Mapping[str, Any]) -> DataFrame:
    """A row for each time that a sign of failing has shown in so many hours on end, raised when the last of them was over."""
    signs = machine_hours.join(machine_baselines, "machine_id").select(
        "machine_id",
        "hour",
        F.inline(
            F.array(
                _sign("bearing", "vibration", F.col("usual_vibration") * params["vibration_rise"], rises=True),
                _sign(
                    "overheating", "temperature", F.col("usual_temperature") + params["temperature_rise"], rises=True
                ),
                _sign("leak", "pressure", F.col("usual_pressure") * params["pressure_fall"], rises=False),
            )
        ),
    )
    by_hour = Window.partitionBy("machine_id", "failure_mode").orderBy("hour")
    lately = by_hour.rowsBetween(1 - params["confirm_hours"], 0)
    confirmed = F.count_if("shows").over(lately) == params["confirm_hours"]
    return (
        signs.withColumn("confirmed", confirmed)
        .withColumn("known", F.lag("confirmed", 1, default=False).over(by_hour))
        .filter("confirmed AND NOT known")
        .select("machine_id", "failure_mode", F.expr("hour + INTERVAL 1 HOUR").alias("raised_at"), "value", "bound")
    )


def _sign(failure_mode: str, sensor: str, bound: Column, *, rises: bool) -> Column:
    value = F.col(sensor)
    return F.struct(
        F.lit(failure_mode).alias("failure_mode"),
        value.alias("value"),
        bound.alias("bound"),
        (value > bound if rises else value < bound).alias("shows"),
    )


def alerts_open(alerts: DataFrame, service_log: DataFrame, machine_status: DataFrame) -> DataFrame:
    """The alerts of machines on which nobody has worked since, with where the machine stands and what it said last."""
    since = (alerts["machine_id"] == service_log["machine_id"]) & (service_log["started_at"] >= alerts["raised_at"])
    machines = machine_status.select("machine_id", "line", "model", F.col("read_at").alias("last_read_at"))
    return alerts.join(service_log, since, "left_anti").join(machines, "machine_id")
