#!/usr/bin/env bash
# SparkSession.interruptTag, called in another thread than the one that added the tag, interrupts nothing and returns an empty list, although
# the job with that tag runs. interruptAll, called there, interrupts it. One would guess: a tag is known to the session, since who interrupts a
# query is never the thread that waits for it.
# Versions: pyspark 4.2.0 (not Connect), Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0
cat >"$place/interrupt.py" <<'PYTHON'
import sys
import threading
import time

import pyspark
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("pyspark", pyspark.__version__)
ended = []


def work():
    spark.addTag("slow")
    slowly = F.expr("java_method('java.lang.Thread', 'sleep', 200L)")
    try:
        spark.range(0, 300, 1, 1).select(slowly.alias("x")).write.format("noop").mode("overwrite").save()
        ended.append("finished")
    except Exception as cause:  # noqa: BLE001
        ended.append("cancelled" if "cancel" in str(cause).lower() else str(cause)[:200])


worker = threading.Thread(target=work)
worker.start()
tracker = spark.sparkContext.statusTracker()
while not tracker.getActiveJobsIds():
    time.sleep(0.1)
by_tag = spark.interruptTag("slow")
time.sleep(3)
still_runs = bool(tracker.getActiveJobsIds())
by_all = spark.interruptAll()
worker.join()
print("interruptTag in another thread:", list(by_tag), "- the job still runs:", still_runs)
print("interruptAll in another thread:", len(by_all), "interrupted - the job was", ended[0])
spark.stop()
sys.exit(0 if (list(by_tag), still_runs, bool(by_all), ended) == ([], True, True, ["cancelled"]) else 1)
PYTHON
"$place/venv/bin/python" "$place/interrupt.py" 2>/dev/null
