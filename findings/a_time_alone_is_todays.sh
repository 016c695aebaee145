#!/usr/bin/env bash
# Spark's csv and JSON readers take the text 12:30 in a TIMESTAMP column for today's 12:30, and so does a cast of a column of texts, ANSI
# mode or not: the same file read on two days gives two tables, and FAILFAST does not object. Spark's migration guide says that special
# texts ('now', 'today') are taken in constants alone since 3.2, which is so; a time without its date is none of them.
# One would guess: no timestamp, so malformed (as DATE and TIMESTAMP_NTZ columns have it).
# Versions: pyspark 4.2.0, Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0
mkdir "$place/csv" "$place/json"
printf '12:30\n2024-02-03 04:05:06\n' >"$place/csv/1.csv"
printf '{"t": "12:30"}\n{"t": "2024-02-03T04:05:06Z"}\n' >"$place/json/1.json"
cat >"$place/read.py" <<'PYTHON'
import sys
from datetime import UTC, datetime

import pyspark
from pyspark.sql import SparkSession

place = sys.argv[1]
spark = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("pyspark", pyspark.__version__)
texts = spark.read.schema("t STRING").csv(f"{place}/csv")
strict = {"mode": "FAILFAST"}
seen = {
    "csv": spark.read.options(**strict).schema("t TIMESTAMP").csv(f"{place}/csv"),
    "json": spark.read.options(**strict).schema("t TIMESTAMP").json(f"{place}/json"),
    "cast": texts.selectExpr("CAST(t AS TIMESTAMP) AS t"),
    "cast to TIMESTAMP_NTZ": texts.selectExpr("try_cast(t AS TIMESTAMP_NTZ) AS t"),
}
told = {name: [row[0] for row in frame.selectExpr("CAST(t AS STRING)").collect()] for name, frame in seen.items()}
for name, values in told.items():
    print(f"{name}: {values}")
spark.stop()
today = f"{datetime.now(UTC):%Y-%m-%d} 12:30:00"
is_todays = all(told[name] == [today, "2024-02-03 04:05:06"] for name in ("csv", "json", "cast"))
is_none = told["cast to TIMESTAMP_NTZ"] == [None, "2024-02-03 04:05:06"]
sys.exit(0 if is_todays and is_none else 1)
PYTHON
"$place/venv/bin/python" "$place/read.py" "$place" 2>/dev/null
