"""JSON to Delta, `etl run` against hand-written PySpark: whole processes, fresh targets, interleaved, equal outputs.

    python -m benchmarks.json_to_delta [--rows 1000 --rows 2000000] [--rounds 5] [--terminal] [--jars-at-hand]

`--jars-at-hand`: the peer is given Delta's jars as files, and resolves no packages; no limit is set for that. With --terminal, `etl run` draws at a pseudo-terminal, to its summary. Prints each round and the medians, and exits 1 where the ratio of medians is above its limit or the outputs differ.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

from benchmarks.process import ran
from etl.engine.session.jars import jars as delta_jars
from etl.engine.session.java import find_java

HERE = Path(__file__).parent
LIMITS = {1_000: 0.60, 2_000_000: 0.75}
TERMINAL_LIMIT = 0.55  # for 1,000 rows
_NONE = float("inf")
_SEED = 20130101
_FILES = 8
_WARM_UPS = 2  # the first makes the class-data archive, the second is the first to read it


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: the seconds of each round of both, and whether they wrote the same rows."""

    rows: int
    etl: tuple[float, ...]
    peer: tuple[float, ...]
    difference: int
    limit: float

    @property
    def ratio(self) -> float:
        return statistics.median(self.etl) / statistics.median(self.peer)

    @property
    def passed(self) -> bool:
        return self.difference == 0 and self.ratio <= self.limit

    def __str__(self) -> str:
        limit = f", limit {self.limit:.2f}" if self.limit < _NONE else ""
        equal = "equal outputs" if self.difference == 0 else f"OUTPUTS DIFFER in {self.difference} rows"
        return (
            f"{self.rows:,} rows: etl run {statistics.median(self.etl):.2f} s, hand-written {statistics.median(self.peer):.2f} s, "
            f"ratio {self.ratio:.2f}{limit}, {equal}: {'passed' if self.passed else 'FAILED'}"
        )


def landing(folder: Path, rows: int) -> Path:
    """A folder of JSON lines in several files, the same for the same number of rows; made once."""
    made = folder / f"landing-{rows}-{_SEED}"
    if made.exists():
        return made
    chance = random.Random(_SEED)  # noqa: S311  # data to measure with, no secret
    draft = folder / f"{made.name}.draft"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    start = datetime(2013, 1, 1, tzinfo=UTC)
    each = -(-rows // _FILES)
    for number in range(_FILES):
        with (draft / f"{number:02}.json").open("w", encoding="ascii") as file:
            for identity in range(number * each, min((number + 1) * each, rows)):
                at = (start + timedelta(seconds=15 * identity)).strftime("%Y-%m-%dT%H:%M:%SZ")
                celsius = "null" if chance.random() < 0.02 else f"{chance.uniform(-70, 70):.3f}"  # one in fifty
                battery = "?" if chance.random() < 0.01 else f"{chance.uniform(2.5, 4.2):.2f}"  # one in a hundred
                file.write(
                    f'{{"id":{identity},"sensor":"s{chance.randrange(500):03}","at":"{at}","celsius":{celsius},'
                    f'"humidity":{chance.randrange(101)},"battery":"{battery}","site":"site-{chance.randrange(20)}"}}\n'
                )
    draft.rename(made)
    return made


def measure(work: Path, rows: int, rounds: int, *, terminal: bool, jars: str) -> Measured:
    """Both programs in turn, each into a fresh target; `etl run` at a terminal, if asked. `jars`: what the peer is given, where it resolves none."""
    project = work / "project"
    shutil.copytree(HERE / "pipelines", project / "pipelines", dirs_exist_ok=True)
    source = landing(work, rows)
    program = str(Path(sys.executable).with_name("etl"))
    etl = [program, "run", "json_to_delta", "--mode", "batch", "--param", f"landing={source}"]
    etl += [] if terminal else ["--json"]
    etl_target, peer_target = project / ".etl/local/tables/json_to_delta/readings_clean", work / "peer"
    peer = [
        sys.executable,
        str(HERE / "peers/handwritten.py"),
        str(source),
        str(peer_target),
        *([jars] if jars else []),
    ]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(-_WARM_UPS, rounds):
        shutil.rmtree(project / ".etl", ignore_errors=True)
        shutil.rmtree(peer_target, ignore_errors=True)
        ours, theirs = ran(etl, project, terminal=terminal), ran(peer, work)
        print(
            f"{rows:,} rows, {'warm-up' if number < 0 else f'round {number + 1}'}: etl run {ours.wall:.2f} s, hand-written {theirs.wall:.2f} s",
            flush=True,
        )
        if number >= 0:
            times[0].append(ours.wall)
            times[1].append(theirs.wall)
    limit = _NONE if jars else TERMINAL_LIMIT if terminal and rows == min(LIMITS) else LIMITS.get(rows, _NONE)
    return Measured(rows, tuple(times[0]), tuple(times[1]), difference(etl_target, peer_target), limit)


def difference(one: Path, other: Path) -> int:
    """How many rows one table has and the other has not, as multisets."""
    with duckdb.connect() as database:
        for name, path in (("a", one), ("b", other)):
            table = QueryBuilder().register("found", DeltaTable(path)).execute("SELECT * FROM found")
            database.register(name, pa.table(table.read_all()))
        found = database.sql(
            "SELECT count(*) FROM ((FROM a EXCEPT ALL FROM b) UNION ALL (FROM b EXCEPT ALL FROM a))"
        ).fetchall()
    return int(found[0][0])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.json_to_delta", description=__doc__)
    parser.add_argument(
        "--rows", type=int, action="append", help="a size to measure; may be repeated (default: 1000 and 2000000)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--terminal", action="store_true", help="`etl run` at a pseudo-terminal")
    parser.add_argument("--jars-at-hand", action="store_true", help="the peer resolves no packages")
    parser.add_argument("--folder", type=Path, help="where the data is made and kept (default: a temporary folder)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        work = (chosen.folder or Path(scratch)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        jars = ",".join(map(str, delta_jars(find_java().program))) if chosen.jars_at_hand else ""
        sizes = chosen.rows or LIMITS
        results = [measure(work, rows, chosen.rounds, terminal=chosen.terminal, jars=jars) for rows in sizes]
    for result in results:
        print(result)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
