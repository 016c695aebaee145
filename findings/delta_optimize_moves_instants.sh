#!/usr/bin/env bash
# OPTIMIZE of Delta 4.4.0 changes rows: on a table partitioned by a TIMESTAMP, run in a session whose clock is set back once a year, it moves the rows
# of the second 02:30 to the first, an hour earlier, without a word. The folder of a partition is named by the session's clock, two instants have one name there, and
# the value of the rewritten file is taken from that name. MERGE, UPDATE and DELETE rewrite files in the same way; appends store new rows so at once.
# One would guess: OPTIMIZE "makes no data change", as its log says of each file; that the log spells the values in UTC does not help.
# With spark.sql.session.timeZone=UTC nothing moves. pyspark 4.2.0, delta-spark 4.4.0; needs Java 17 and Maven Central.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 delta-spark==4.4.0
"$folder/venv/bin/python" - "$folder" 2> "$folder/log" <<'PYTHON' || { tail -30 "$folder/log" >&2; exit 1; }
import sys

import pyspark
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.jars.packages", "io.delta:delta-spark_4.2_2.13:4.4.0")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
print("pyspark", pyspark.__version__, "delta-spark 4.4.0")


def after(zone):
    table = f"{sys.argv[1]}/{zone.replace('/', '_')}"
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    for number, moment in enumerate(("00:30", "01:30", "01:30")):  # 02:30 in Berlin, by summer time and an hour later
        row = spark.sql(f"SELECT {number} AS id, TIMESTAMP'2024-10-27T{moment}:00Z' AS at")
        row.write.format("delta").mode("append").partitionBy("at").save(table)
    spark.conf.set("spark.sql.session.timeZone", zone)
    spark.sql(f"OPTIMIZE delta.`{table}`").collect()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    rows = spark.read.format("delta").load(table).selectExpr("id", "CAST(at AS STRING)").orderBy("id").collect()
    print(f"after OPTIMIZE in {zone}:", [tuple(row) for row in rows])
    return [row[1][11:16] for row in rows]


utc, berlin = after("UTC"), after("Europe/Berlin")
sys.exit(0 if utc == ["00:30", "01:30", "01:30"] and berlin == ["00:30", "00:30", "00:30"] else 1)
PYTHON
