#!/usr/bin/env bash
# In a session whose time zone is not UTC each commit to a small Delta table has Spark read its whole log anew.
#
# Versions: delta-spark 4.4.0 (jar delta-spark_4.2_2.13), pyspark 4.2.0, Java 17.
# One would guess: a time zone changes what instants look like, and not what a commit costs.
# What happens: the checksum file of a table of up to 50 files lists them all, and outside UTC Delta compares that list with the replayed log
# after each commit, in two more jobs of Spark. The time zone of Spark's session, of the JVM and `user.timezone` count alike, so a machine in Berlin pays
# without having set anything. Delta's reader in Spark never reads that list; spark.databricks.delta.allFilesInCrc.enabled=false does without it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 delta-spark==4.4.0
cat > "$folder/program.py" <<'PYTHON'
import sys

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession

builder = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
)
spark = configure_spark_with_delta_pip(builder).getOrCreate()


def jobs(zone, listed):
    """How many jobs of Spark each of four appends of one row starts, to a table that is there."""
    spark.conf.set("spark.sql.session.timeZone", zone)
    spark.conf.set("spark.databricks.delta.allFilesInCrc.enabled", listed)
    table, counted = f"{sys.argv[1]}/{zone.replace('/', '-')}-{listed}", []
    for number in range(5):
        group = f"{table}-{number}"
        spark.sparkContext.setJobGroup(group, "")
        spark.range(1).coalesce(1).write.format("delta").mode("append").save(table)
        counted.append(len(spark.sparkContext.statusTracker().getJobIdsForGroup(group)))
    return counted[1:]


utc, berlin, without = jobs("UTC", "true"), jobs("Europe/Berlin", "true"), jobs("Europe/Berlin", "false")
print("pyspark", pyspark.__version__)
print("jobs of each of four appends in UTC:", utc)
print("jobs of each of four appends in Europe/Berlin:", berlin)
print("jobs of each of four appends in Europe/Berlin, no files in the checksum:", without)
spark.stop()
sys.exit(0 if utc == [1] * 4 and min(berlin) > 1 and without == [1] * 4 else "the behaviour has changed")
PYTHON
"$folder/venv/bin/python" "$folder/program.py" "$folder" 2> /dev/null
