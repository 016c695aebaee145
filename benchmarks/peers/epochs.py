"""Files of JSON drained into Delta by hand, one a micro-batch: `epochs.py append|merge|merge_deletes same|stock LANDING FOLDER`.

`same`: in a session with the settings of `etl run`. `stock`: in one with Spark's own. The table is FOLDER/target.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from delta import DeltaTable, configure_spark_with_delta_pip
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session

SCHEMA = "id BIGINT, at TIMESTAMP, celsius DOUBLE, gone BOOLEAN, site STRING"
COLUMNS = {
    "append": "id BIGINT, at TIMESTAMP, celsius DOUBLE, site STRING",
    "merge": "id BIGINT, at TIMESTAMP, celsius DOUBLE, site STRING",
    "merge_deletes": "id BIGINT, at TIMESTAMP, celsius DOUBLE",
}


def session(settings: str) -> tuple[SparkSession, Callable[[], None]]:
    """A session, and what ends it."""
    if settings == "same":
        handle = open_session(SparkSpec(), app_name="by hand", short=True)
        handle.spark.conf.set("spark.sql.session.timeZone", "UTC")
        return handle.spark, handle.close
    builder = (
        SparkSession.builder.appName("by hand")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
    )
    spark = configure_spark_with_delta_pip(builder).getOrCreate()
    return spark, spark.stop


def latest(rows: DataFrame) -> DataFrame:
    """The newest row of each id."""
    return rows.groupBy("id").agg(F.max_by(F.struct(*rows.columns), "at").alias("row")).select("row.*")


def main(flow: str, settings: str, landing: str, folder: str) -> None:
    spark, end = session(settings)
    target, tombstones = str(Path(folder, "target").absolute()), str(Path(folder, "tombstones").absolute())

    def upsert(batch: DataFrame, _: int) -> None:
        table = DeltaTable.forPath(batch.sparkSession, target)
        merge = table.alias("t").merge(latest(batch).alias("s"), "t.id = s.id")
        merge.whenMatchedUpdateAll("s.at > t.at").whenNotMatchedInsertAll().execute()

    def upsert_and_delete(batch: DataFrame, _: int) -> None:
        graves, table = (
            DeltaTable.forPath(batch.sparkSession, tombstones),
            DeltaTable.forPath(batch.sparkSession, target),
        )
        news = latest(batch).join(graves.toDF().withColumnRenamed("at", "died"), "id", "left")
        fresh = news.where("died IS NULL OR at > died").drop("died").persist()
        burial = graves.alias("t").merge(fresh.alias("s"), "t.id = s.id").whenMatchedDelete("NOT s.gone")
        burial = burial.whenMatchedUpdate(set={"at": "s.at"})
        burial.whenNotMatchedInsert("s.gone", values={"id": "s.id", "at": "s.at"}).execute()
        living = {name: f"s.{name}" for name in ("id", "at", "celsius")}
        merge = table.alias("t").merge(fresh.alias("s"), "t.id = s.id").whenMatchedDelete("s.gone AND s.at > t.at")
        merge = merge.whenMatchedUpdate("s.at > t.at", set=living)
        merge.whenNotMatchedInsert("NOT s.gone", values=living).execute()
        fresh.unpersist()

    raw = spark.readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).option("mode", "FAILFAST").json(landing)
    columns = ["id", "at", F.round("celsius", 1).alias("celsius")]
    rows = (
        raw.select(*columns, "gone") if flow == "merge_deletes" else raw.select(*columns, F.upper("site").alias("site"))
    )
    if flow == "append":
        rows = rows.where(F.col("celsius").between(-60, 60) & F.col("site").isNotNull())
        writing = rows.writeStream.format("delta").option("path", target)
    else:
        DeltaTable.create(spark).location(target).addColumns(spark.createDataFrame([], COLUMNS[flow]).schema).execute()
        if flow == "merge_deletes":
            DeltaTable.create(spark).location(tombstones).addColumns(
                spark.createDataFrame([], "id BIGINT, at TIMESTAMP").schema
            ).execute()
        writing = rows.writeStream.foreachBatch(upsert if flow == "merge" else upsert_and_delete)
    query = writing.option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True).start()
    query.awaitTermination()
    end()


if __name__ == "__main__":
    main(*sys.argv[1:])
