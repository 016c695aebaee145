#!/usr/bin/env bash
# deltalake 1.6.6 (delta-rs) spells the partition value -1.50 of a DECIMAL as "-1.-50": the sign goes to both halves of the number.
# So it refuses to write a table partitioned by such a column ("Failed to parse value '-1.-50' as 'decimal(10,2)'"), and to_pyarrow_table()
# fails on one that another engine wrote, whose log says "-1.50" as Delta's protocol wants it; deltalake's own scan reads that.
# One would guess: what write_deltalake takes unpartitioned it takes partitioned, and both ways of reading read the same tables.
# Numbers that are positive, or have no fraction, are well.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import sys
from decimal import Decimal

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake

print("deltalake", deltalake.__version__, "pyarrow", pa.__version__)
folder = sys.argv[1]


def outcome(ask):
    try:
        return ask()
    except Exception as cause:
        return f"{type(cause).__name__}: {cause}"


def written(*numbers):
    amounts = pa.array([Decimal(number) for number in numbers], pa.decimal128(10, 2))
    table = pa.table({"amount": amounts, "id": range(len(numbers))})
    path = f"{folder}/{'_'.join(numbers)}"
    return outcome(lambda: write_deltalake(path, table, partition_by=["amount"]) or "written")


positive, whole, negative = written("1.50"), written("-2.00"), written("-1.50")
print("write 1.50: ", positive)
print("write -2.00:", whole)
print("write -1.50:", negative)

# The same table as Spark and Delta write it: the log says "-1.50".
foreign = f"{folder}/foreign"
os.makedirs(f"{foreign}/_delta_log")
pq.write_table(pa.table({"id": [1]}), f"{foreign}/a.parquet")
kinds = {"amount": "decimal(10,2)", "id": "long"}
fields = [{"name": name, "type": kind, "nullable": True, "metadata": {}} for name, kind in kinds.items()]
actions = [
    {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
    {
        "metaData": {
            "id": "x",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}),
            "partitionColumns": ["amount"],
            "configuration": {},
            "createdTime": 1,
        }
    },
    {
        "add": {
            "path": "a.parquet",
            "partitionValues": {"amount": "-1.50"},
            "size": os.path.getsize(f"{foreign}/a.parquet"),
            "modificationTime": 1,
            "dataChange": True,
        }
    },
]
with open(f"{foreign}/_delta_log/00000000000000000000.json", "w") as log:
    log.write("".join(json.dumps(action) + "\n" for action in actions))
scan = QueryBuilder().register("t", DeltaTable(foreign))
scanned = outcome(lambda: pa.table(scan.execute("SELECT amount, id FROM t").read_all()).to_pylist())
dataset = outcome(lambda: DeltaTable(foreign).to_pyarrow_table().to_pylist())
print("read -1.50 by its scan:           ", scanned)
print("read -1.50 by to_pyarrow_table(): ", dataset)
same = (
    positive == "written"
    and "-1.-50" in str(negative)
    and "-1.-50" in str(dataset)
    and scanned == [{"amount": Decimal("-1.50"), "id": 1}]
)
sys.stdout.flush()
os._exit(0 if same else 1)  # a process that has read by to_pyarrow_table may abort as it ends
PYTHON
