#!/usr/bin/env bash
# Each commit of Delta with a transaction's id (txnAppId, txnVersion) has Spark read the table's whole log anew, in jobs of its own.
#
# Versions: delta-spark 4.4.0 (jar delta-spark_4.2_2.13), pyspark 4.2.0, Java 17.
# One would guess: which ids were committed is looked up in the checksum file of the newest version, which names each id with its version
# (`setTransactions`), and which Delta keeps up to date with each commit.
# What happens: the lookup asks the snapshot for its computed state, which replays the checkpoint and all later commits with a shuffle:
# three jobs of Spark before the one that writes. It is so for appends, overwrites and MERGE, and for each micro-batch of the streaming sink.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 delta-spark==4.4.0
cat > "$folder/program.py" <<'PYTHON'
import json
import sys

import pyspark
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession

builder = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
)
spark = configure_spark_with_delta_pip(builder).getOrCreate()


def jobs(table, with_id):
    """How many jobs of Spark each of four appends of one row starts, to a table that is there."""
    counted = []
    for number in range(5):
        group = f"{table}-{number}"
        spark.sparkContext.setJobGroup(group, "")
        options = {"txnAppId": "app", "txnVersion": str(number)} if with_id else {}
        spark.range(1).coalesce(1).write.format("delta").mode("append").options(**options).save(table)
        counted.append(len(spark.sparkContext.statusTracker().getJobIdsForGroup(group)))
    return counted[1:]


plain, with_id = jobs(f"{sys.argv[1]}/plain", False), jobs(f"{sys.argv[1]}/with_id", True)
with open(f"{sys.argv[1]}/with_id/_delta_log/00000000000000000004.crc") as file:
    named = [(each["appId"], each["version"]) for each in json.load(file)["setTransactions"]]
print("pyspark", pyspark.__version__)
print("jobs of each of four appends:", plain)
print("jobs of each of four appends with a transaction's id:", with_id)
print("ids and versions that the last checksum file names:", named)
spark.stop()
sys.exit(0 if plain == [1] * 4 and min(with_id) > 1 and named == [("app", 4)] else "the behaviour has changed")
PYTHON
"$folder/venv/bin/python" "$folder/program.py" "$folder" 2> /dev/null
