#!/usr/bin/env bash
# CREATE OR REPLACE TEMP VIEW drops cached DataFrames of OTHER sessions, by the view's name alone.
#
# Versions: pyspark 4.2.0, Java 17.
# One would guess: a temporary view is the session's own, so replacing it touches nothing of another session; docs call it "session-scoped".
# What happens: replacing a view uncaches, in the cache that all sessions of the JVM share, every cached plan that contains a view of that
# name, whichever session made it. The other session's frame is then computed once more at its next action, in silence; and what an
# Observation below it counts, counts twice. `createOrReplaceTempView` does it from the second time on; the first time, and a view that is
# dropped before it is created again, leave other sessions alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0
cat > "$folder/program.py" <<'PYTHON'
import sys

import pyspark
from pyspark.sql import SparkSession

spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
print("pyspark", pyspark.__version__)
mine, theirs = spark.newSession(), spark.newSession()

mine.range(3).createOrReplaceTempView("orders")
kept = mine.sql("SELECT id + 1 AS next FROM orders").cache()
kept.count()
seen = [kept.storageLevel.useMemory]
for size in (10, 20):
    theirs.range(size).createOrReplaceTempView("orders")  # a view of their own, of other rows
    seen.append(kept.storageLevel.useMemory)
print("cached: at first, after their first view, after their second:", seen)
spark.stop()
sys.exit(seen != [True, True, False])
PYTHON
"$folder/venv/bin/python" "$folder/program.py" 2>"$folder/log" || { cat "$folder/log"; echo "it has changed"; exit 1; }
