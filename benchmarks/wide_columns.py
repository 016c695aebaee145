"""Three columns of 120 and a filter, from Parquet and from Delta, by `etl run` and by hand with the same settings: whole processes, in turn.

    python -m benchmarks.wide_columns [--rows 1000000] [--rounds 5]

Each round runs both over the wide source and over one of ten rows, in a batch and in one epoch of a stream. What is compared is CPU seconds above the small run's,
all processes together. Exits 1 where a ratio is above its limit or the outputs differ.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from benchmarks.json_to_delta import HERE, difference
from benchmarks.process import ran

LIMIT = 1.15
COLUMNS, FILES = 120, 8
PIPELINE = """\
version: 1
name: wide
params: {size: big}
sources:
  of_parquet: {format: parquet, path: "${size}/parquet", schema_file: wide.ddl}
  of_delta: {format: delta, path: "${size}/delta"}
flows:
  parquet: {inputs: [of_parquet], incremental: rows, transform: {sql: "SELECT id, c3, c90 FROM of_parquet WHERE c7 < 500000"}}
  delta: {inputs: [of_delta], incremental: rows, transform: {sql: "SELECT id, c3, c90 FROM of_delta WHERE c7 < 500000"}}
"""


def write_sources(folder: Path, rows: int) -> None:
    """The same rows as Parquet files and as a Delta table, COLUMNS numbers and an id in each."""
    (folder / "parquet").mkdir(parents=True)
    for part in range(min(FILES, rows)):
        chance = np.random.default_rng(part)
        ids = np.arange(part * rows // FILES, (part + 1) * rows // FILES)
        columns = {f"c{number}": chance.integers(0, 1_000_000, len(ids)) for number in range(COLUMNS)}
        table = pa.table({"id": ids, **columns})
        pq.write_table(table, folder / "parquet" / f"{part}.parquet")
        write_deltalake(folder / "delta", table, mode="append")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide_columns", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    passed = True
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        folder = Path(scratch)
        (folder / "pipelines" / "wide").mkdir(parents=True)
        (folder / "pipelines" / "wide" / "pipeline.yml").write_text(PIPELINE, encoding="utf-8")
        ddl = ", ".join(["id BIGINT", *(f"c{number} BIGINT" for number in range(COLUMNS))])
        (folder / "pipelines" / "wide" / "wide.ddl").write_text(ddl, encoding="utf-8")
        for size, rows in (("big", chosen.rows), ("small", 16)):
            write_sources(folder / size, rows)
        for form in ("parquet", "delta"):
            for mode in ("batch", "stream"):
                passed &= _compare(folder, form, mode, chosen.rounds)
    return 0 if passed else 1


def _compare(folder: Path, form: str, mode: str, rounds: int) -> bool:
    """Print the ratio for one format and mode; whether it is within the limit and both wrote the same rows."""
    ours, target = folder / ".etl/local/tables/wide" / form, folder / "target"
    ratios: list[float] = []
    equal = True
    for number in range(-1, rounds):  # the first makes the class-data archive, and does not count
        seconds: dict[str, float] = {}
        for size in ("big", "small"):
            shutil.rmtree(folder / ".etl", ignore_errors=True)
            shutil.rmtree(target, ignore_errors=True)
            command = [sys.executable, "-m", "etl", "run", "wide", "--select", form, "--mode", mode, "--json"]
            seconds[f"etl {size}"] = ran([*command, "--param", f"size={size}"], folder).cpu
            source = str(folder / size / form)
            seconds[f"hand {size}"] = ran(
                [sys.executable, str(HERE / "peers" / "wide.py"), size, form, source, str(target)], folder
            ).cpu
            equal &= difference(ours, target) == 0
        ratio = (seconds["etl big"] - seconds["etl small"]) / (seconds["hand big"] - seconds["hand small"])
        shown = ", ".join(f"{name} {value:.1f}" for name, value in seconds.items())
        print(f"{form}, {mode}, {'warm-up' if number < 0 else f'round {number + 1}'}: {shown}: {ratio:.2f}", flush=True)
        if number >= 0:
            ratios.append(ratio)
    median = statistics.median(ratios)
    passed = equal and median <= LIMIT
    print(
        f"{form}, {mode}: CPU seconds above a small run's, etl run ÷ by hand: {median:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"limit {LIMIT}, {'equal outputs' if equal else 'OUTPUTS DIFFER'}: {'passed' if passed else 'FAILED'}",
        flush=True,
    )
    return passed


if __name__ == "__main__":
    sys.exit(main())
