"""`etl run` of this checkout against that of another commit: whole processes, the same data, fresh targets, in turn.

    python -m benchmarks.builds COMMIT [--rows 1000] [--rounds 15]

Prints each round and the medians of the ratios of processor seconds, wall seconds and peak memory (the largest process: the JVM), and exits 1
where the processors' or the memory's is above 1.03. Both run in this environment; the other commit is taken out of git into a temporary folder.
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
    parser.add_argument("commit")
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    rounds: list[tuple[Taken, Taken]] = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        work = Path(scratch)
        project, before = work / "project", work / "before"
        shutil.copytree(HERE / "pipelines", project / "pipelines")
        take_out(chosen.commit, before)
        source = landing(work, chosen.rows)
        for build in (before, HERE.parent):  # makes the class-data archive, which would otherwise be made beside a run
            ran([sys.executable, "-P", "-m", "etl", "doctor"], work, {"PYTHONPATH": str(build)})
        for number in range(-1, chosen.rounds):
            old, new = run(before, project, source), run(HERE.parent, project, source)
            print(
                f"{'warm-up' if number < 0 else f'round {number + 1}'}: {chosen.commit} {old}; this {new}", flush=True
            )
            if number >= 0:
                rounds.append((old, new))
    ratios = {
        "processors": statistics.median(new.cpu / old.cpu for old, new in rounds),
        "wall": statistics.median(new.wall / old.wall for old, new in rounds),
        "memory": statistics.median(new.memory / old.memory for old, new in rounds),
    }
    passed = max(ratios["processors"], ratios["memory"]) <= LIMIT
    told = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    print(
        f"{chosen.rows:,} rows, {chosen.rounds} rounds, this ÷ {chosen.commit}: {told}, limit {LIMIT}: {'passed' if passed else 'FAILED'}"
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
