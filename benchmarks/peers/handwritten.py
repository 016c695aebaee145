"""JSON to Delta as a good engineer writes it with stock settings: `handwritten.py LANDING TARGET [JARS]`.

`JARS`: Delta's, with commas between; without them they are resolved as packages, as Delta's own pages say.
"""

from __future__ import annotations

import sys

from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

SCHEMA = "id BIGINT, sensor STRING, at TIMESTAMP, celsius DOUBLE, humidity INT, battery STRING, site STRING"


def main(landing: str, target: str, jars: str = "") -> None:
    """Read, filter, cast, project, write."""
    builder = (
        SparkSession.builder.appName("json_to_delta")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.sql.session.timeZone", "UTC")
    )
    builder = builder.config("spark.jars", jars) if jars else configure_spark_with_delta_pip(builder)
    spark = builder.getOrCreate()
    (
        spark.read.schema(SCHEMA)
        .option("mode", "FAILFAST")
        .json(landing)
        .select(
            "id",
            "sensor",
            "at",
            F.col("at").cast("date").alias("day"),
            F.round("celsius", 1).cast("decimal(5,1)").alias("celsius"),
            (F.col("humidity").cast("double") / 100).alias("humidity"),
            F.expr("try_cast(battery AS DOUBLE)").alias("battery_volts"),
            F.upper("site").alias("site"),
        )
        .where(F.col("celsius").between(-60, 60))  # of the rounded value, as the pipeline's expectation is
        .write.format("delta")
        .mode("overwrite")
        .save(target)
    )
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
