"""Only the partitions that are worth it are rewritten, whatever their values are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from etl.engine.commits.commit import stamped
from etl.engine.maintenance.tables import Table
from etl.engine.metadata.delta_log import read_log
from etl.engine.metadata.provenance import Provenance
from etl.engine.transform import partitions
from etl.planning.maintenance import FEWEST
from tests.support.independent import rows

pytestmark = pytest.mark.spark
DAYS = ("it's a \\ 'day' of ${x} 50%", None)


def test_a_partition_of_odd_values_is_rewritten_and_its_neighbours_are_not(spark: SparkSession, tmp_path: Path) -> None:
    session = spark.newSession()
    path = str(tmp_path / "t")
    stamp = Provenance("p", "f", "r", 0, 0, None, {}, "x")
    schema = "id INT, day STRING, at DATE, n SMALLINT, ok BOOLEAN"
    for number in range(FEWEST):
        frame = session.createDataFrame(
            [(number, day) for day in DAYS] + ([(number, "other")] if number < 2 else []), "id INT, day STRING"
        )
        frame = frame.selectExpr("id", "day", "DATE'2026-01-31' AS at", "CAST(-3 AS SMALLINT) AS n", "true AS ok")
        assert frame.schema.simpleString() == session.createDataFrame([], schema).schema.simpleString()
        with stamped(session, Provenance("p", "f", "r", 0, number, None, {}, "x")):
            frame.write.format("delta").mode("append").partitionBy("day", "at", "n", "ok").save(path)
    table = Table("target", path, 2**20)
    logged = table.logged()
    assert logged is not None
    deed, chosen = table.compaction(logged)
    assert (deed, len(chosen.partitions), chosen.files) == ("compact", 2, 2 * FEWEST)
    before = rows(path)
    table.compact(session, deed, chosen)
    after = table.logged()
    assert after is not None
    assert rows(path) == before
    assert sorted(dict(file.partition)["day"] or "" for file in after.live.values()) == ["", DAYS[0], "other", "other"]
    newest = read_log(path)[-1]
    assert (newest.operation, newest.data_change, newest.is_maintenance) == ("OPTIMIZE", False, True)
    assert newest.stamp is not None
    assert (newest.stamp.epoch, newest.stamp.pipeline) == (FEWEST - 1, stamp.pipeline)
    assert session.conf.get("spark.databricks.delta.optimize.maxFileSize", None) is None  # as it was


def test_instants_that_name_partitions_stay_where_the_clock_is_set_back(spark: SparkSession, tmp_path: Path) -> None:
    """In Berlin the hour before 2024-10-27T02:00Z is the second of two that look the same."""
    session = spark.newSession()
    session.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    path = str(tmp_path / "t")
    for number in range(FEWEST):
        frame = session.range(number, number + 1).selectExpr("id", "explode(array(1729987200, 1729990800)) AS at")
        frame = frame.selectExpr("id", "timestamp_seconds(at) AS at")
        with partitions.in_utc(session), stamped(session, Provenance("p", "f", "r", 0, number, None, {}, "x")):
            frame.write.format("delta").mode("append").partitionBy("at").save(path)
    before = rows(path)
    assert len({row[1] for row in before}) == 2
    table = Table("target", path, 2**20)
    logged = table.logged()
    assert logged is not None
    table.compact(session, *table.compaction(logged))
    assert read_log(path)[-1].operation == "OPTIMIZE"
    assert rows(path) == before
