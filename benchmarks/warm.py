"""`etl preview` and a one-flow `etl run` in a session that stays (`etl warm start`) against the same commands by themselves, in turn.

    python -m benchmarks.warm [--rows 1000] [--rounds 7] [--commands 0]

Whole processes, as a person waits for them; fresh targets, equal tables and equal output first. Prints each round and the medians of the rounds'
ratios of wall seconds, and exits 1 where one is above its limit. `--commands 100` then has the session run so many commands more, and prints what
memory its processes have.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

LIMIT = 0.2
_WARM_UPS = 6  # the compilers of a JVM that stays have seen the work by then, as in an afternoon of it
_SHOWN_EVERY = 10
_SQL = "SELECT id, who, amount * 2 AS amount FROM orders WHERE amount > 1"
_PIPELINE = f"""\
version: 1
name: orders
sources:
  orders: {{format: json, path: landing, schema: "id BIGINT, who STRING, amount BIGINT"}}
flows:
  large:
    inputs: [orders]
    transform: {{sql: "{_SQL}"}}
    incremental: rows
    expectations: {{known: {{expr: who IS NOT NULL, on_violation: drop}}}}
"""
_COMMANDS = {
    "preview": ("preview", "orders", "large", "--json"),
    "run": ("run", "orders", "--mode", "batch", "--json"),
}


class Project:
    """A project of one flow over a file of so many rows, and commands typed in it."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.folder = folder / "project"
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
        (self.folder / "pipelines").mkdir(parents=True)
        (self.folder / "landing").mkdir()
        (self.folder / "pipelines" / "orders.yml").write_text(_PIPELINE, encoding="utf-8")
        lines = (json.dumps({"id": n, "who": f"who {n % 7}", "amount": n % 11}) + "\n" for n in range(rows))
        (self.folder / "landing" / "orders.json").write_text("".join(lines), encoding="utf-8")

    def etl(self, *arguments: str) -> tuple[float, str]:
        """Wall seconds and output of one command; SystemExit where it fails."""
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "etl", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        taken = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"etl {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return taken, done.stdout

    def typed(self, name: str, *more: str) -> tuple[float, str]:
        """A command of the benchmark, into a fresh target."""
        if name == "run":
            shutil.rmtree(self.folder / ".etl", ignore_errors=True)
        taken, output = self.etl(*_COMMANDS[name], *more)
        return taken, re.sub(r"\d{8}T\d{6}-[0-9a-f]+|\"duration_s\": [0-9.]+", "…", output)

    def rows(self) -> list[dict[str, Any]]:
        """The target's."""
        table = DeltaTable(self.folder / ".etl" / "local" / "tables" / "orders" / "large")
        return pa.table(
            QueryBuilder().register("t", table).execute("SELECT * FROM t ORDER BY id").read_all()
        ).to_pylist()

    def session(self) -> dict[str, Any]:
        """The status of the session that stays, once it takes a command."""
        while True:
            session: dict[str, Any] = json.loads(self.etl("warm", "status", "--json")[1])["session"]
            if session["state"] == "ready":
                return session
            time.sleep(0.1)


def compared(project: Project) -> None:
    """Raise SystemExit unless both ways put out the same and write the same."""
    for name in _COMMANDS:
        served = project.session()["commands"]
        _, warm = project.typed(name)
        warm_rows = project.rows() if name == "run" else []
        if project.session()["commands"] != served + 1:
            raise SystemExit(f"the session did not take {name}: {project.session()['last_declined']}")
        _, cold = project.typed(name, "--cold")
        if warm != cold or warm_rows != (project.rows() if name == "run" else []):
            raise SystemExit(f"{name} is not the same in the session and by itself:\n{warm}\n{cold}")


def grown(project: Project, commands: int) -> None:
    """Print the memory of the session's processes while it runs so many commands."""
    for number in range(1, commands + 1):
        project.session()
        project.typed("run" if number % 2 else "preview")
        if number % _SHOWN_EVERY == 0:
            print(f"after {number} more commands: {project.session()['memory_bytes'] / 1e6:,.0f} MB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.warm", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--commands", type=int, default=0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="warm-") as scratch:
        project = Project(Path(scratch), chosen.rows)
        print(f"etl warm start: {project.etl('warm', 'start')[0]:.1f} s", flush=True)
        try:
            compared(project)
            for _ in range(_WARM_UPS):
                for name in _COMMANDS:
                    project.session()
                    project.typed(name)
            ratios = {name: _ratio(project, name, chosen.rounds) for name in _COMMANDS}
            grown(project, chosen.commands)
        finally:
            project.etl("warm", "stop")
    passed = max(ratios.values()) <= LIMIT
    told = ", ".join(f"{name} {ratio:.3f}" for name, ratio in ratios.items())
    print(
        f"{chosen.rows:,} rows, {chosen.rounds} rounds, in a session that stays ÷ by itself, wall: {told}, limit {LIMIT}: {'passed' if passed else 'FAILED'}"
    )
    return 0 if passed else 1


def _ratio(project: Project, name: str, rounds: int) -> float:
    """The median of the rounds' ratios of wall seconds."""
    pairs = []
    for number in range(rounds):
        taken = {}
        for more in [(), ("--cold",)][
            :: 1 if number % 2 else -1
        ]:  # who comes first in one round comes last in the next
            project.session()
            taken[more], _ = project.typed(name, *more)
        pairs.append((taken[()], taken["--cold",]))
        print(
            f"{name}, round {number + 1}: in the session {taken[()]:.2f} s, by itself {taken['--cold',]:.2f} s",
            flush=True,
        )
    ratios = [warm / cold for warm, cold in pairs]
    print(f"{name}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    return statistics.median(ratios)


if __name__ == "__main__":
    sys.exit(main())
