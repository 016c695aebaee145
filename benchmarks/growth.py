"""What an epoch costs late in a table's life against early, without maintenance and with it: one drained query each, a file an epoch.

    python -m benchmarks.growth [--epochs 300]

Each way runs in a process of its own, which first drains another pipeline, so that the JVM has compiled what an epoch needs. The processor
seconds of its whole process tree are read whenever an epoch is told of. Prints the seconds of twenty epochs early and late, their ratio, the
files that the table then holds and the processor seconds of a full read by Spark. Exits 1 where the tables differ, or where with maintenance
the ratio is above its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from etl.config.load import load
from etl.config.spec import SparkSpec
from etl.engine.session.shared import Sessions
from etl.operations.run import run
from etl.planning.events import EpochCommitted
from etl.planning.request import RunRequest

LIMIT = 1.15
EARLY, WINDOW = 10, 20  # epochs 10 to 30, and the last twenty
WARM, ROWS, READS = 20, 100, 5

_PIPELINE = """\
version: 1
name: {name}
defaults: {{maintenance: {{auto: {auto}}}}}
sources:
  orders: {{format: json, path: landing/{name}, schema: "id INT, who STRING, amount INT", rate_limit: {{files: 1}}}}
flows:
  orders_clean:
    inputs: [orders]
    transform: {{sql: "SELECT id, who, amount * 2 AS amount FROM orders WHERE amount > 1"}}
    incremental: rows
"""


@dataclass(frozen=True, slots=True)
class Grown:
    """What one way came to: processor seconds of twenty epochs, early and late, and of a read; and what there is then."""

    early: float
    late: float
    early_wall: float
    late_wall: float
    read: float
    files: int
    commits: int

    @property
    def ratio(self) -> float:
        return self.late / self.early


def write_pipeline(folder: Path, name: str, epochs: int, *, auto: bool) -> None:
    """A pipeline over `epochs` files of ROWS rows."""
    (folder / "pipelines").mkdir(exist_ok=True)
    (folder / "landing" / name).mkdir(parents=True)
    (folder / "pipelines" / f"{name}.yml").write_text(
        _PIPELINE.format(name=name, auto=str(auto).lower()), encoding="utf-8"
    )
    for epoch in range(epochs):
        lines = [
            json.dumps({"id": epoch * ROWS + row, "who": f"who {row % 7}", "amount": row % 50}) for row in range(ROWS)
        ]
        (folder / "landing" / name / f"{epoch:05}.json").write_text("\n".join(lines), encoding="utf-8")


def processors() -> float:
    """The processor seconds of this process and of everything below it that is alive."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text(encoding="ascii").rpartition(")")[2].split()
            except (OSError, UnicodeDecodeError):  # it has ended meanwhile
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(spent.get(pid, 0.0) for pid in ours)


def grow(folder: Path, epochs: int) -> Grown:
    """Drain the pipelines of `folder` in one session, and tell what the epochs of the second have cost."""
    sessions = Sessions(SparkSpec(), storage=str(folder), app_name="growth", short=False)
    seen: dict[int, tuple[float, float]] = {}

    def emit(event: Any) -> None:
        if isinstance(event, EpochCommitted):
            seen[event.epoch] = processors(), time.perf_counter()

    request = RunRequest(mode="stream")
    run(load("warm", project=folder), request, sessions=sessions).raise_for_status()
    run(load("grown", project=folder), request, emit=emit, sessions=sessions).raise_for_status()
    table = folder / ".etl" / "local" / "tables" / "grown" / "orders_clean"
    session, before = sessions.get().spark, processors()
    for _ in range(READS):
        session.read.format("delta").load(str(table)).selectExpr("sum(amount)").collect()
    read = (processors() - before) / READS
    sessions.close()
    early = [seen[EARLY + WINDOW][part] - seen[EARLY][part] for part in (0, 1)]
    late = [seen[epochs - 1][part] - seen[epochs - 1 - WINDOW][part] for part in (0, 1)]
    delta = DeltaTable(str(table))
    return Grown(early[0], late[0], early[1], late[1], read, len(delta.file_uris()), delta.version() + 1)


def measured(folder: Path, epochs: int, *, auto: bool) -> Grown:
    """What `grow` tells in a process of its own."""
    write_pipeline(folder, "warm", WARM, auto=False)
    write_pipeline(folder, "grown", epochs, auto=auto)
    command = [sys.executable, "-m", "benchmarks.growth", "--epochs", str(epochs), "--in", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    return Grown(**json.loads(done.stdout.splitlines()[-1]))


def rows(folder: Path) -> list[tuple[Any, ...]]:
    """The rows of the table that has grown, in the order of their values."""
    table = DeltaTable(str(folder / ".etl" / "local" / "tables" / "grown" / "orders_clean"))
    found = pa.table(QueryBuilder().register("t", table).execute("SELECT id, who, amount FROM t").read_all())
    return sorted(tuple(row.values()) for row in found.to_pylist())


def main() -> int:
    """Measure both ways, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--in", dest="folder", type=Path)
    options = parser.parse_args()
    if options.folder is not None:
        print(json.dumps(asdict(grow(options.folder, options.epochs))))
        return 0
    ways: dict[str, Grown] = {}
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, auto in (("without maintenance", False), ("with maintenance", True)):
            folder = Path(scratch, name.partition(" ")[0])
            folder.mkdir()
            grown = ways[name] = measured(folder, options.epochs, auto=auto)
            tables.append(rows(folder))
            print(
                f"{name}: {WINDOW} epochs early {grown.early:.2f} s of processors ({grown.early_wall:.2f} s by the clock), late "
                f"{grown.late:.2f} s ({grown.late_wall:.2f} s): {grown.ratio:.2f}; {grown.files} files, {grown.commits} commits, "
                f"a full read {grown.read:.2f} s of processors"
            )
    if tables[0] != tables[1]:
        print("the tables differ: FAILED")
        return 1
    passed = ways["with maintenance"].ratio <= LIMIT
    print(
        f"late ÷ early with maintenance {ways['with maintenance'].ratio:.2f}, limit {LIMIT}: {'passed' if passed else 'FAILED'}"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
