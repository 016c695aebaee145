"""Thirty small pipelines by `etl run --all` against thirty commands `etl run NAME`: whole processes, fresh targets, in turn, equal tables.

    python -m benchmarks.many_pipelines [--rounds 1]

Then `etl list` over the thirty, which have run, against `etl validate` of one. Prints each round and the medians, in wall and in processor
seconds of the whole process tree, and exits 1 where a ratio is above its limit or the tables differ.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from benchmarks.process import Taken, ran

LIMIT, LIST_LIMIT = 0.2, 1.5
_LIST_ROUNDS = 7
PIPELINES, ROWS = 30, 10

_PIPELINE = """\
version: 1
name: small_{p:02}
sources:
  orders: {{format: csv, path: landing/small_{p:02}.csv, schema: "id INT, who STRING, amount INT", options: {{header: true}}}}
flows:
  large:
    inputs: [orders]
    transform: {{sql: "SELECT id, who, amount * {p} AS amount FROM orders WHERE amount > 1"}}
    incremental: rows
"""


def project(folder: Path) -> list[str]:
    """A project of PIPELINES pipelines of one flow over a file of ROWS rows; their names."""
    (folder / "pipelines").mkdir()
    (folder / "landing").mkdir()
    names = [f"small_{p:02}" for p in range(1, PIPELINES + 1)]
    for p, name in enumerate(names, start=1):
        (folder / "pipelines" / f"{name}.yml").write_text(_PIPELINE.format(p=p), encoding="utf-8")
        rows = "".join(f"{number},who {number % 3},{number + p}\n" for number in range(ROWS))
        (folder / "landing" / f"{name}.csv").write_text(f"id,who,amount\n{rows}", encoding="utf-8")
    return names


def run(folder: Path, *arguments: str) -> Taken:
    """What one run took, its JVM's end among it."""
    return etl(folder, "run", *arguments, "--json")


def etl(folder: Path, *arguments: str) -> Taken:
    """What one command took."""
    return ran([sys.executable, "-m", "etl", *arguments], folder)


def list_passes(folder: Path, name: str) -> bool:
    """Print what `etl list` takes ÷ `etl validate` of one pipeline; whether that is within the limit."""
    pairs = [(etl(folder, "list"), etl(folder, "validate", name)) for _ in range(_LIST_ROUNDS + 1)][
        1:
    ]  # the first does not count
    listed, validated = (statistics.median(taken.cpu for taken in series) for series in zip(*pairs, strict=True))
    passed = bool(listed / validated <= LIST_LIMIT)
    print(
        f"etl list of {PIPELINES} pipelines {listed:.2f} s of processors, etl validate of one {validated:.2f} s: {listed / validated:.2f}, "
        f"limit {LIST_LIMIT}: {'passed' if passed else 'FAILED'}"
    )
    return passed


def tables(folder: Path, names: list[str]) -> dict[str, list[dict[str, object]]]:
    """The rows of each pipeline's table."""
    found = {}
    for name in names:
        path = folder / ".etl" / "local" / "tables" / name / "large"
        table = QueryBuilder().register("found", DeltaTable(path)).execute("SELECT * FROM found ORDER BY id")
        found[name] = pa.table(table.read_all()).to_pylist()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_pipelines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    rounds = parser.parse_args().rounds
    measured: list[tuple[Taken, Taken]] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        folder = Path(scratch)
        names = project(folder)
        run(folder, names[0])  # the first run may make the class-data archive, and does not count
        for number in range(rounds):
            shutil.rmtree(folder / ".etl")
            together = run(folder, "--all")
            by_all = tables(folder, names)
            shutil.rmtree(folder / ".etl")
            apart = sum((run(folder, name) for name in names), Taken(0, 0))
            print(f"round {number + 1}: --all {together}; {PIPELINES} commands {apart}", flush=True)
            if by_all != tables(folder, names):
                raise SystemExit("the tables differ")
            measured.append((together, apart))
        listed = list_passes(folder, names[0])
    ratios = {
        "wall": statistics.median(together.wall / apart.wall for together, apart in measured),
        "processor": statistics.median(together.cpu / apart.cpu for together, apart in measured),
    }
    passed = max(ratios.values()) <= LIMIT
    told = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    print(
        f"{PIPELINES} pipelines by --all ÷ {PIPELINES} commands: {told}, limit {LIMIT:.2f}, equal tables: {'passed' if passed else 'FAILED'}"
    )
    return 0 if passed and listed else 1


if __name__ == "__main__":
    sys.exit(main())
