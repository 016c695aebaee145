#!/usr/bin/env bash
# Spark's readers make other values of texts that are none of their type, under FAILFAST too:
#   - JSON, DATE: "20240229" is the day 20,240,229 days after 1970, in the year 57385; csv refuses it;
#   - DATE: "2024" is 2024-01-01, and "2024-02-29 and more" is 2024-02-29;
#   - DECIMAL(6,2): "1,25" is 125.00, since commas are left out, and "1.255" is 1.26.
# One would guess: malformed, as DuckDB 1.5's try_cast has it for the first, the second, the third and the fourth.
# Versions: pyspark 4.2.0, duckdb 2.0.0, Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 duckdb==2.0.0
cat >"$place/read.py" <<'PYTHON'
import json
import sys

import duckdb
import pyspark
from pyspark.sql import SparkSession

cases = [
    ("DATE", "20240229", "+57385-11-12"),
    ("DATE", "2024", "2024-01-01"),
    ("DATE", "2024-02-29 and more", "2024-02-29"),
    ("DECIMAL(6,2)", "1,25", "125.00"),
    ("DECIMAL(6,2)", "1.255", "1.26"),
]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("pyspark", pyspark.__version__, "duckdb", duckdb.__version__)
same = True
for number, (kind, text, expected) in enumerate(cases):
    path = f"{sys.argv[1]}/{number}.json"
    with open(path, "w") as file:
        json.dump({"v": text}, file)
    found = spark.read.option("mode", "FAILFAST").schema(f"v {kind}").json(path).selectExpr("CAST(v AS STRING)").head()[0]
    other = duckdb.execute(f"SELECT CAST(try_cast(? AS {kind}) AS VARCHAR)", [text]).fetchone()[0]
    print(f"  {text!r} as {kind}: Spark {found}, DuckDB {other}")
    same = same and found == expected and other == ("1.26" if text == "1.255" else None)
sys.exit(0 if same else 1)
PYTHON
"$place/venv/bin/python" "$place/read.py" "$place" 2>/dev/null
