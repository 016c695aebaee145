"""The workload that a class-data archive is made from: a little of all that pipelines do. `python -m etl.engine.session.class_data_training`."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from etl.engine.session.class_data import TRAIN_S
from etl.engine.storage.scratch import remove, remove_all, scratch_folder
from etl.errors import EtlError

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

_SCHEMA = "id BIGINT, name STRING, at TIMESTAMP, amount DOUBLE, price DECIMAL(10, 2), day DATE, _corrupt STRING"
_ROWS = [
    {"id": i, "name": f"n{i % 7}", "at": "2013-01-01T00:00:00Z", "amount": i / 7, "day": "2013-01-01"}
    for i in range(100)
]


def exercise(spark: SparkSession, folder: Path) -> None:
    """Read each format, transform, observe, append, overwrite, merge, stream and time-travel, on a hundred rows."""
    from pyspark.sql import Observation  # noqa: PLC0415  # this module is imported where pyspark may be missing
    from pyspark.sql import functions as F  # noqa: N812, PLC0415  # the field's own abbreviation

    landing, table, merged, csv = folder / "json", str(folder / "table"), str(folder / "merged"), folder / "csv"
    landing.mkdir()
    (landing / "a.json").write_text("\n".join(map(json.dumps, _ROWS)), encoding="ascii")
    csv.mkdir()
    (csv / "a.csv").write_text("id,name\n1,a\n2,b\nx,y\n", encoding="ascii")

    def clean(rows: DataFrame) -> DataFrame:
        rows.createOrReplaceTempView("rows")
        cleaned = rows.sparkSession.sql(
            "SELECT r.id, upper(r.name) AS name, r.at, date_trunc('HOUR', r.at) AS hour, r.day, try_cast(r.name AS INT) AS number, "
            "CAST(round(r.amount, 1) AS DECIMAL(10, 1)) AS amount, n.id AS other FROM rows r "
            "LEFT JOIN (SELECT id, max(name) AS name FROM rows GROUP BY id) n ON n.id = r.id WHERE r.id > :least",
            args={"least": 1},
        )
        return cleaned.withColumn("bad", F.expr("coalesce(amount > 5, false)"))

    def commit(rows: DataFrame, epoch: int) -> None:
        seen = Observation()
        kept = rows.observe(seen, F.count(F.lit(1)).alias("rows"), F.count_if(F.col("id") > 3).alias("some"))  # noqa: PLR2004  # any will do
        kept = kept.select("id", F.upper("name").alias("name"), "at", "amount", "day").filter("id IS NOT NULL")
        kept.write.format("delta").mode("overwrite" if epoch == 0 else "append").option("overwriteSchema", "true").save(
            table
        )
        _ = seen.get

    clean(spark.read.schema(_SCHEMA).json(str(landing))).filter("NOT bad").write.format("delta").mode("overwrite").save(
        merged
    )
    spark.read.schema("id INT, name STRING, _corrupt STRING").option("header", "true").option(
        "columnNameOfCorruptRecord", "_corrupt"
    ).csv(str(csv)).cache().count()
    for _ in range(2):
        stream = spark.readStream.schema(_SCHEMA).option("columnNameOfCorruptRecord", "_corrupt").json(str(landing))
        query = stream.writeStream.foreachBatch(commit).trigger(availableNow=True)
        query.option("checkpointLocation", str(folder / "checkpoint")).start().awaitTermination()
        (landing / "b.json").write_text(json.dumps(_ROWS[5]), encoding="ascii")
    (
        spark.readStream.format("delta").load(table).writeStream.format("noop").trigger(availableNow=True)
        .option("checkpointLocation", str(folder / "checkpoint-delta")).start().awaitTermination()
    )  # fmt: skip
    _merge(spark, table, merged)
    _read_back(spark, merged, folder)


def _merge(spark: SparkSession, source: str, target: str) -> None:
    """Merge one table into another: delete, update and insert."""
    spark.read.format("delta").load(source).createOrReplaceTempView("arrived")
    spark.sql(
        f"MERGE INTO delta.`{target}` t USING (SELECT id, name, at, row_number() OVER (PARTITION BY id ORDER BY at) AS n FROM arrived) s "
        "ON t.id <=> s.id AND s.n = 1 WHEN MATCHED AND s.id > 50 THEN DELETE WHEN MATCHED THEN UPDATE SET t.name = s.name "
        "WHEN NOT MATCHED THEN INSERT (id, name, at) VALUES (s.id, s.name, s.at)"
    ).collect()


def _read_back(spark: SparkSession, table: str, folder: Path) -> None:
    """Read an older version of a table, aggregate it, and read it as Parquet."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415  # see exercise

    past = spark.read.format("delta").option("versionAsOf", 0).load(table)
    past.groupBy("name").agg(F.sum("amount"), F.avg("amount"), F.count_distinct("id")).orderBy("name").collect()
    past.write.parquet(str(folder / "parquet"))
    spark.read.parquet(str(folder / "parquet")).dropDuplicates(["id"]).limit(5).collect()
    spark.createDataFrame([], "id INT, name STRING").observe("seen", F.count(F.lit(1)).alias("n")).select(
        "id"
    ).collect()


def main() -> int:
    """Make the archive of the default profile where there is none."""
    from etl.engine.session.start import train  # noqa: PLC0415  # so that an import of this module needs no pyspark

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, _end_at_once)
    signal.alarm(TRAIN_S)  # nobody may be waiting for it
    folder = scratch_folder("twilight-training-")
    try:
        train(lambda spark: exercise(spark, folder))
    except EtlError as cause:
        print(cause, file=sys.stderr)  # noqa: T201  # a program's own message
        return type(cause).exit_code
    finally:
        remove(folder)
    return 0


def _end_at_once(number: int, _: Any) -> None:
    from etl.engine.session.gateway import any_live, end_all, is_waited_for  # noqa: PLC0415  # see main

    if is_waited_for() and not any_live():
        raise SystemExit(128 + number)  # what waits for the JVM clears away what it began
    end_all()
    remove_all()
    os._exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
