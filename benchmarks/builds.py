"""`etl run` of this checkout against that of other commits: whole processes, the same data, fresh targets, in turn.

    python -m benchmarks.builds COMMIT... [--rows 1000] [--rounds 15]

Prints each round and the medians of the ratios of processor seconds, wall seconds and peak memory (the largest process: the JVM), and exits 1
where the processors' or the memory's is above 1.03. All run in this environment; the other commits are taken out of git into a temporary folder.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.json_to_delta import HERE, landing
from benchmarks.process import Taken, ran

LIMIT = 1.03


def take_out(commit: str, folder: Path) -> None:
    """The files of a commit."""
    git = shutil.which("git") or "git"
    packed = subprocess.run([git, "archive", commit], cwd=HERE.parent, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def run(build: Path, project: Path, source: Path) -> Taken:
    """One run of a build, into a fresh target."""
    shutil.rmtree(project / ".etl", ignore_errors=True)
    command = [sys.executable, "-P", "-m", "etl", "run", "json_to_delta", "--mode", "batch", "--json"]
    return ran([*command, "--param", f"landing={source}"], project, {"PYTHONPATH": str(build)})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__)
    parser.add_argument("commits", nargs="+", metavar="COMMIT")
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    rounds: list[dict[str, Taken]] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        work = Path(scratch)
        project = work / "project"
        shutil.copytree(HERE / "pipelines", project / "pipelines")
        builds = {commit: work / f"build-{commit}" for commit in chosen.commits}
        for commit, folder in builds.items():
            take_out(commit, folder)
        builds["this"] = HERE.parent
        source = landing(work, chosen.rows)
        for build in builds.values():  # makes the class-data archive, which would otherwise be made beside a run
            ran([sys.executable, "-P", "-m", "etl", "doctor"], work, {"PYTHONPATH": str(build)})
        turns = list(builds.items())
        for number in range(-1, chosen.rounds):
            turns.reverse()  # whoever comes first in one round comes last in the next
            taken = {name: run(build, project, source) for name, build in turns}
            shown = "; ".join(f"{name} {taken[name]}" for name in builds)
            print(f"{'warm-up' if number < 0 else f'round {number + 1}'}: {shown}", flush=True)
            if number >= 0:
                rounds.append(taken)
    passed = [_passed(commit, rounds, chosen.rows) for commit in chosen.commits]
    return 0 if all(passed) else 1


def _passed(commit: str, rounds: Sequence[Mapping[str, Taken]], rows: int) -> bool:
    """Print the ratios to one commit; whether they are within the limit."""
    pairs = [(taken[commit], taken["this"]) for taken in rounds]
    ratios = {
        "processors": statistics.median(new.cpu / old.cpu for old, new in pairs),
        "wall": statistics.median(new.wall / old.wall for old, new in pairs),
        "memory": statistics.median(new.memory / old.memory for old, new in pairs),
    }
    passed = max(ratios["processors"], ratios["memory"]) <= LIMIT
    told = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    print(
        f"{rows:,} rows, {len(pairs)} rounds, this ÷ {commit}: {told}, limit {LIMIT}: {'passed' if passed else 'FAILED'}"
    )
    return passed


if __name__ == "__main__":
    sys.exit(main())
