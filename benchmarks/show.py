"""`etl show` of a table of 10 million rows against the same by hand, with DuckDB and with delta-rs' own engine: whole processes, interleaved.

    python -m benchmarks.show [--rounds 7] [--rows 10000000]

Prints the medians, and exits 1 where the ratio to DuckDB's is above its limit. The ratio to delta-rs' engine, which `etl show` reads by itself,
is what finding the table costs: reading the pipeline's file, and the packages for that.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake

LIMIT = 1.5
FILES = 10
PIPELINE = """\
version: 1
name: big
sources:
  orders: {format: csv, path: in, schema: "id BIGINT, customer STRING, price DOUBLE, day INT"}
flows:
  clean: {inputs: {orders: changes}, transform: {sql: "SELECT * FROM orders"}}
"""
QUERIES = {
    "20 rows": "SELECT * FROM clean LIMIT 20",
    "an aggregate": "SELECT day, sum(price) AS total, count(*) AS n FROM clean GROUP BY day ORDER BY total DESC LIMIT 20",
}
DUCKDB = """
import sys, duckdb
from deltalake import DeltaTable
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
# With deltalake's own file system, which it takes by itself, a process now and then aborts or hangs at its end.
clean = DeltaTable(sys.argv[1]).to_pyarrow_dataset(filesystem=SubTreeFileSystem(sys.argv[1], LocalFileSystem()))
print(duckdb.sql(sys.argv[2]))
"""
DELTA_RS = """
import sys
from deltalake import DeltaTable, QueryBuilder
print(QueryBuilder().register("clean", DeltaTable(sys.argv[1])).execute(sys.argv[2]).read_all())
"""


def table(path: Path, rows: int) -> None:
    """A Delta table of so many rows in FILES files, without Spark."""
    for part in range(FILES):
        ids = np.arange(part * rows // FILES, (part + 1) * rows // FILES)
        chance = np.random.default_rng(part)
        columns = {
            "id": ids,
            "customer": pa.array(chance.integers(0, 1000, len(ids))).cast(pa.string()),
            "price": chance.random(len(ids)) * 100,
            "day": chance.integers(0, 365, len(ids)).astype("int32"),
        }
        write_deltalake(path, pa.table(columns), mode="append")


def cpu_seconds(command: list[str], folder: Path) -> float:
    """The CPU seconds of a process and of what it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if (
        not done.stdout
    ):  # a process that has printed its rows may still die at its end: pyarrow's dataset of deltalake does now and then
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.show", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=10_000_000)
    chosen = parser.parse_args()
    passed = True
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        folder = Path(scratch)
        (folder / "pipelines").mkdir()
        (folder / "pipelines" / "big.yml").write_text(PIPELINE, encoding="utf-8")
        path = folder / ".etl" / "local" / "tables" / "big" / "clean"
        table(path, chosen.rows)
        for name, query in QUERIES.items():
            commands = {
                "etl show": [sys.executable, "-m", "etl", "show", "big", "clean"]
                + ([] if name == "20 rows" else ["--sql", query]),
                "DuckDB": [sys.executable, "-c", DUCKDB, str(path), query],
                "delta-rs' engine": [sys.executable, "-c", DELTA_RS, str(path), query],
            }
            seconds: dict[str, list[float]] = {peer: [] for peer in commands}
            for number in range(-1, chosen.rounds):  # the first compiles what is not compiled yet, and does not count
                for peer, command in commands.items():
                    taken = cpu_seconds(command, folder)
                    if number >= 0:
                        seconds[peer].append(taken)
            ours, duckdb, delta_rs = (statistics.median(values) for values in seconds.values())
            passed &= ours / duckdb <= LIMIT
            print(
                f"{name} of {chosen.rows:,} rows, CPU: etl show {ours:.2f} s; by hand DuckDB {duckdb:.2f} s, ratio {ours / duckdb:.2f}, limit {LIMIT}: "
                f"{'passed' if ours / duckdb <= LIMIT else 'FAILED'}; delta-rs' engine {delta_rs:.2f} s, ratio {ours / delta_rs:.2f}",
                flush=True,
            )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
