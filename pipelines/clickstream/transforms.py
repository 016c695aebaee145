"""The transforms of clickstream that read better as Python: plain functions, inputs by parameter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

VIEW, LONG_LOOK, CLICK = 1, 2, 5
"""What each tells of a user's interest, in points."""


def profiles(
    events_clean: DataFrame, items: DataFrame, users: DataFrame, bots: DataFrame, params: Mapping[str, Any]
) -> DataFrame:
    """The categories that each user likes most, with each one's share of all the interest that the user has shown."""
    points = (
        F.when(F.col("kind") == "click", CLICK).when(F.col("dwell_s") >= params["long_look"], LONG_LOOK).otherwise(VIEW)
    )
    interest = (
        events_clean.join(bots, "user_id", "left_anti")
        .join(items.select("item_id", "category"), "item_id")
        .groupBy("user_id", "category")
        .agg(F.sum(points).alias("points"), F.count_if(F.col("kind") == "click").alias("clicks"))
    )
    user = Window.partitionBy("user_id")
    return (
        interest.withColumn("affinity", F.col("points") / F.sum("points").over(user))
        .withColumn("rank", _rank(user, F.desc("points"), F.asc("category")))
        .filter(F.col("rank") <= params["top_categories"])
        .join(users, "user_id")
        .select("user_id", "country", "rank", "category", "points", "clicks", "affinity")
    )


def co_viewed(events_clean: DataFrame, bots: DataFrame, params: Mapping[str, Any]) -> DataFrame:
    """For each item the ones seen in the same sessions, best first; what is seen in every session says little, so it counts less."""
    seen = events_clean.join(bots, "user_id", "left_anti").select("session_id", "item_id").distinct()
    sessions_of = seen.groupBy(F.col("item_id").alias("other_id")).agg(F.count(F.lit(1)).alias("other_sessions"))
    pairs = (
        seen.join(seen.select("session_id", F.col("item_id").alias("other_id")), "session_id")
        .filter("item_id <> other_id")
        .groupBy("item_id", "other_id")
        .agg(F.count(F.lit(1)).alias("sessions"))
        .filter(F.col("sessions") >= params["pair_sessions"])
        .join(sessions_of, "other_id")
        .withColumn("strength", F.col("sessions") * F.col("sessions") / F.col("other_sessions"))
    )
    best = _rank(Window.partitionBy("item_id"), F.desc("strength"), F.asc("other_id"))
    return (
        pairs.withColumn("rank", best)
        .filter(F.col("rank") <= params["recommended"])
        .select("item_id", "rank", "other_id", "sessions", "strength")
    )


def recommendations(
    events_clean: DataFrame, co_viewed: DataFrame, items: DataFrame, users: DataFrame, params: Mapping[str, Any]
) -> DataFrame:
    """For each user the items most often seen together with what the user looked at, and not yet looked at, best first."""
    seen = events_clean.select("user_id", "item_id").distinct().join(users, "user_id", "left_semi")
    new = (
        seen.join(co_viewed, "item_id")
        .groupBy("user_id", F.col("other_id").alias("item_id"))
        .agg(F.sum("sessions").alias("sessions"))
        .join(seen, ["user_id", "item_id"], "left_anti")
    )
    best = _rank(Window.partitionBy("user_id"), F.desc("sessions"), F.asc("item_id"))
    return (
        new.withColumn("rank", best)
        .filter(F.col("rank") <= params["recommended"])
        .join(items, "item_id")
        .select("user_id", "rank", "item_id", "title", "price", "sessions")
    )


def _rank(of: Any, *by: Column) -> Column:
    return F.row_number().over(of.orderBy(*by))
