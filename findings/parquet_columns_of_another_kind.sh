#!/usr/bin/env bash
# Spark reads a Parquet column under a schema of another kind by its bytes, without a word, where one would guess an error
# (PARQUET_COLUMN_DATA_TYPE_MISMATCH, as it says of most pairs):
#   - an unsigned 32-bit 4294967295 as DOUBLE is -1.0;
#   - a date as TINYINT is the last byte of its days after 1970: 2024-02-29 is 70;
#   - a decimal as BINARY is its unscaled bytes; a time of day as DATE is a day of 1970; milliseconds as BIGINT are a bare number.
# Versions: pyarrow 26.0.1, pyspark 4.2.0, Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 pyarrow==26.0.1
cat >"$place/read.py" <<'PYTHON'
import datetime as dt
import sys
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
from pyspark.sql import SparkSession

cases = [
    ("unsigned", pa.array([2**32 - 1], pa.uint32()), "DOUBLE", "-1.0"),
    ("day", pa.array([dt.date(2024, 2, 29)]), "TINYINT", "70"),
    ("amount", pa.array([Decimal("1.23")], pa.decimal128(10, 2)), "BINARY", "000000007B"),
    ("clock", pa.array([1], pa.time32("ms")), "DATE", "1970-01-02"),
    ("at", pa.array([1_709_209_845_123], pa.timestamp("ms")), "BIGINT", "1709209845123"),
]
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("pyspark", pyspark.__version__, "pyarrow", pa.__version__)
same = True
for name, values, kind, expected in cases:
    path = f"{sys.argv[1]}/{name}.parquet"
    pq.write_table(pa.table({"v": values}), path)
    shown = "hex(v)" if kind == "BINARY" else "CAST(v AS STRING)"
    found = spark.read.schema(f"v {kind}").parquet(path).selectExpr(shown).head()[0]
    print(f"  {values.type} {values[0]} as {kind}: {found}")
    same = same and found == expected
sys.exit(0 if same else 1)
PYTHON
"$place/venv/bin/python" "$place/read.py" "$place" 2>/dev/null
