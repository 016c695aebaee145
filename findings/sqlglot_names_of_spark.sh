#!/usr/bin/env bash
# sqlglot's qualify, given the schema and dialect="spark", resolves names as other databases do. It refuses valid Spark SQL: a field of an
# alias of the same SELECT, the columns of VALUES and of explode without names, the column that window() adds, the fields of a starred
# struct. And it takes what Spark refuses: a column of a query two levels out, a column that two tables of a subquery's star have.
# One would guess: what knows the dialect and the schema judges names as the database does.
# Versions: sqlglot 30.30.0, pyspark 4.2.0, Java 17.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyspark==4.2.0 sqlglot==30.30.0
cat >"$place/judge.py" <<'PYTHON'
import sys

import pyspark
import sqlglot
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

SCHEMA = {
    "orders": {"id": "INT", "at": "TIMESTAMP", "tags": "ARRAY<STRING>", "address": "STRUCT<street: STRING>"},
    "events": {"id": "INT", "kind": "STRING"},
}
VALID = (
    "SELECT address AS a, a.street FROM orders",
    "SELECT col1 FROM VALUES (1)",
    "SELECT col FROM (SELECT explode(tags) FROM orders)",
    "SELECT street FROM (SELECT address.* FROM orders)",
    "SELECT window.start, count(*) FROM orders GROUP BY window(at, '10 minutes')",
)
WRONG = (
    "SELECT id FROM orders AS o WHERE EXISTS (SELECT 1 FROM events WHERE EXISTS (SELECT 1 FROM events AS e WHERE e.kind = o.id))",
    "SELECT id FROM (SELECT * FROM orders AS o JOIN events AS e ON o.id = e.id)",
)
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("OFF")
print("sqlglot", sqlglot.__version__, "pyspark", pyspark.__version__)
for name, columns in SCHEMA.items():
    spark.createDataFrame([], ", ".join(f"{column} {kind}" for column, kind in columns.items())).createOrReplaceTempView(name)


def taken_by_spark(text):
    try:
        spark.sql(text)
    except AnalysisException:
        return False
    return True


def taken_by_sqlglot(text):
    try:
        qualify(sqlglot.parse_one(text, dialect="spark"), schema=SCHEMA, dialect="spark")
    except SqlglotError:
        return False
    return True


seen = [(taken_by_spark(text), taken_by_sqlglot(text)) for text in (*VALID, *WRONG)]
for text, (spark_takes, sqlglot_takes) in zip((*VALID, *WRONG), seen, strict=True):
    print(f"Spark {'takes' if spark_takes else 'refuses'}, sqlglot {'takes' if sqlglot_takes else 'refuses'}: {text}")
spark.stop()
sys.exit(0 if seen == [(True, False)] * len(VALID) + [(False, True)] * len(WRONG) else 1)
PYTHON
"$place/venv/bin/python" "$place/judge.py" 2>/dev/null
