#!/usr/bin/env bash
# deltalake 1.6.6 (delta-rs) reads a table with column mapping (delta.columnMapping.mode = name, reader version 2) in two ways with two results:
# its scan (QueryBuilder) gives the values, to_pyarrow_table() and to_pandas() give NULL for every value of every column, without a word.
# The data files have the columns under their physical names (col-…), as Delta's protocol wants it ("Column Mapping"); the dataset that is made
# for pyarrow looks for the logical ones, and pyarrow fills what a file lacks with NULL.
# One would guess: both ways give the same rows, or the second refuses the table, as it refuses one with deletion vectors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import os
import sys

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder

print("deltalake", deltalake.__version__, "pyarrow", pa.__version__)
table = f"{sys.argv[1]}/table"
os.makedirs(f"{table}/_delta_log")
physical = {"id": "col-5f0c6b1e-0001", "name": "col-5f0c6b1e-0002"}
ids = [pa.field(physical["id"], pa.int64(), metadata={"PARQUET:field_id": "1"})]
ids.append(pa.field(physical["name"], pa.string(), metadata={"PARQUET:field_id": "2"}))
pq.write_table(pa.table([[1, 2], ["a", "b"]], schema=pa.schema(ids)), f"{table}/part-0.parquet")
fields = [
    {
        "name": name,
        "type": {"id": "long", "name": "string"}[name],
        "nullable": True,
        "metadata": {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": physical[name]},
    }
    for number, name in enumerate(physical, 1)
]
actions = [
    {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}},
    {
        "metaData": {
            "id": "f4f1c7a2-0000-4000-8000-000000000001",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps({"type": "struct", "fields": fields}),
            "partitionColumns": [],
            "configuration": {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"},
            "createdTime": 1,
        }
    },
    {
        "add": {
            "path": "part-0.parquet",
            "partitionValues": {},
            "size": os.path.getsize(f"{table}/part-0.parquet"),
            "modificationTime": 1,
            "dataChange": True,
        }
    },
]
with open(f"{table}/_delta_log/00000000000000000000.json", "w") as log:
    log.write("".join(json.dumps(action) + "\n" for action in actions))
scan = QueryBuilder().register("t", DeltaTable(table))
scanned = pa.table(scan.execute("SELECT id, name FROM t ORDER BY id").read_all()).to_pylist()
try:
    loaded = DeltaTable(table).to_pyarrow_table().to_pylist()
except Exception as cause:
    loaded = f"{type(cause).__name__}: {cause}"
print("by its scan:           ", scanned)
print("by to_pyarrow_table(): ", loaded)
same = scanned == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}] and loaded == [{"id": None, "name": None}] * 2
sys.stdout.flush()
os._exit(0 if same else 1)  # a process that has read by to_pyarrow_table may abort as it ends
PYTHON
