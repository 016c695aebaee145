#!/usr/bin/env bash
# ORC's libraries for C++ (so pyarrow) and for Java (so Spark) read other times out of one file. pyarrow reads back what it has written; Spark 4.2
# reads of the same file, without a word:
#   - an instant before 1970 that has a fraction of a second: one second early as STRING, and an error as TIMESTAMP (nanos > 999999999 or < 0);
#   - the date 1500-01-01: as 1499-12-23, since the file does not say which calendar it means and Java's library takes the Julian one;
#   - a TIMESTAMP (which has no zone): the instant depends on the time zone of the JVM (-Duser.timezone), not on spark.sql.session.timeZone;
#   - 123456789 nanoseconds: cut to 123456 microseconds.
# One would guess: two implementations of one specification by one project agree, and spark.sql.session.timeZone decides how a time without zone is read.
# Versions: pyarrow 26.0.1, pyspark 4.2.0 (ORC 2.3.0), Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 pyarrow==26.0.1
cat >"$place/write.py" <<'PYTHON'
import datetime as dt
import sys

import pyarrow as pa
import pyarrow.orc as orc

early = -1_709_209_845_123_457  # microseconds: 1915-11-03 11:29:14.876543
times = pa.array([1_719_835_200_123_456, early], pa.timestamp("us"))
fine = pa.array([1_719_835_200_123_456_789] * 2, pa.timestamp("ns"))
table = pa.table({"at": times, "day": [dt.date(1500, 1, 1)] * 2, "fine": fine})
orc.write_table(table, f"{sys.argv[1]}/a.orc")
back = orc.read_table(f"{sys.argv[1]}/a.orc")
print("pyarrow", pa.__version__)
for row in zip(*(column.cast(pa.string()).to_pylist() for column in back.columns)):
    print("  pyarrow:", *row, sep=" | ")
PYTHON
cat >"$place/read.py" <<'PYTHON'
import sys

import pyspark
from pyspark.sql import SparkSession

builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
spark = builder.config("spark.driver.extraJavaOptions", f"-Duser.timezone={sys.argv[2]}").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
frame = spark.read.schema("at STRING, day DATE, fine TIMESTAMP").orc(f"{sys.argv[1]}/a.orc")
rows = [tuple(row) for row in frame.selectExpr("at", "CAST(day AS STRING)", "CAST(fine AS STRING)").collect()]
print(f"pyspark {pyspark.__version__}, JVM in {sys.argv[2]}")
for row in rows:
    print("  Spark:  ", *row, sep=" | ")
fine = "2024-07-01 12:00:00.123456" if sys.argv[2] == "UTC" else "2024-07-01 10:00:00.123456"
expected = [("2024-07-01 12:00:00.123456", "1499-12-23", fine), ("1915-11-03 11:29:13.876543", "1499-12-23", fine)]
sys.exit(0 if rows == expected else 1)
PYTHON
"$place/venv/bin/python" "$place/write.py" "$place"
for zone in UTC Europe/Berlin; do
    "$place/venv/bin/python" "$place/read.py" "$place" "$zone" 2>/dev/null
done
