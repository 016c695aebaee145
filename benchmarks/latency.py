"""From a file's arrival to the commit two flows down: `--trigger continuous`, and two long-lived queries by hand with the same settings.

    python -m benchmarks.latency [--files 60] [--rest 3] [--idle-flows 20]

Both stay alive; while one is given its file, the other is stopped (SIGSTOP). After each commit comes a rest, as between arrivals. Then a pipeline of
20 flows is left alone, and its processor time is held against the clock. Exits 1 where outputs differ or a figure is above its limit.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.json_to_delta import HERE, difference

P50_LIMIT, P95_LIMIT, IDLE_LIMIT = 0.75, 0.85, 0.02
ROWS, WARM_UP, PATIENCE_S, QUIET_S, BUSY, IDLE_S = 100, 8, 300.0, 10.0, 0.1, 60.0
PIPELINE = """\
version: 1
name: latency
sources: {readings: {format: json, path: landing, schema: "id BIGINT, sensor STRING, celsius DOUBLE"}}
flows:
  clean: {inputs: [readings], incremental: rows, transform: {sql: "SELECT * FROM readings WHERE celsius < 60"}}
  shown: {inputs: [clean], incremental: rows, transform: {sql: "SELECT id, upper(sensor) AS sensor, round(celsius, 1) AS celsius FROM clean"}}
"""


@dataclass(slots=True)
class Program:
    """A program that takes up files of a folder and writes `clean` and `shown`."""

    name: str
    command: list[str]
    folder: Path
    tables: Path
    seconds: list[float] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None

    def start(self, last: tuple[str, ...] = ("shown",)) -> None:
        """Start it over the first file, and wait until that is in the last tables."""
        (self.folder / "landing").mkdir(parents=True, exist_ok=True)
        _drop(self.folder, 0)
        with (self.folder / "said.txt").open("wb") as said:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, start_new_session=True, stdout=said, stderr=said
            )
        for table in last:
            self._wait_for(self.tables / table, 0)

    @property
    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise SystemExit(f"{self.name} was never started")
        return self.process

    def signal(self, number: int) -> None:
        """To the program and its JVM."""
        os.killpg(self._started.pid, number)

    def take(self, number: int) -> float:
        """Seconds from a file's arrival to its commit in `shown`."""
        table = self.tables / "shown"
        before = max(int(file.stem) for file in (table / "_delta_log").glob("*.json"))
        began = time.perf_counter()
        _drop(self.folder, number)
        self._wait_for(table, before + 1)
        return time.perf_counter() - began

    def cpu(self) -> float:
        """Processor seconds so far of the program and all that it has started."""
        return sum(
            _cpu_of(int(entry.name), self._started.pid) for entry in Path("/proc").iterdir() if entry.name.isdigit()
        )

    def idle_share(self, seconds: float) -> float:
        """Processor seconds per second while nothing arrives, for so many seconds."""
        began, cpu = time.monotonic(), self.cpu()
        time.sleep(seconds)
        return (self.cpu() - cpu) / (time.monotonic() - began)

    def end(self) -> None:
        """End it by SIGTERM."""
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def _wait_for(self, table: Path, version: int) -> None:
        commit, waited = table / "_delta_log" / f"{version:020}.json", time.monotonic()
        while not commit.exists():
            if self._started.poll() is not None or time.monotonic() - waited > PATIENCE_S:
                raise SystemExit(f"{self.name} wrote no {commit}:\n{(self.folder / 'said.txt').read_text()[-3000:]}")
            time.sleep(0.002)


def _cpu_of(pid: int, session: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if int(fields[3]) == session else 0.0


def _drop(folder: Path, number: int) -> None:
    rows = [
        {"id": number * ROWS + row, "sensor": f"s{row % 9}", "celsius": (37 * row + number) % 700 / 10.0}
        for row in range(ROWS)
    ]
    draft = folder / f".{number}"
    draft.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    draft.rename(folder / "landing" / f"{number:06}.json")


def _ours(folder: Path, pipeline: str, name: str) -> Program:
    (folder / "pipelines").mkdir(parents=True)
    (folder / "pipelines" / f"{name}.yml").write_text(pipeline, encoding="utf-8")
    command = [sys.executable, "-m", "etl", "run", name, "--mode", "stream", "--trigger", "continuous", "--json"]
    return Program("etl run", command, folder, folder / ".etl" / "local" / "tables" / name)


def _p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _latency(folder: Path, files: int, rest: float) -> bool:
    ours = _ours(folder / "ours", PIPELINE, "latency")
    hand = folder / "hand"
    peer = [sys.executable, str(HERE / "peers" / "streams.py"), str(hand / "landing"), str(hand)]
    programs = [ours, Program("by hand", peer, hand, hand)]
    try:
        for program in programs:
            program.start()
            program.signal(signal.SIGSTOP)
        for number in range(1, files + WARM_UP + 1):
            for program in programs[:: 1 if number % 2 else -1]:
                program.signal(signal.SIGCONT)
                time.sleep(0.5)
                seconds = program.take(number)
                time.sleep(rest)
                program.signal(signal.SIGSTOP)
                if number > WARM_UP:
                    program.seconds.append(seconds)
        programs[1].signal(signal.SIGCONT)
        idle = programs[1].idle_share(IDLE_S)
    finally:
        for program in programs:
            program.end()
    equal = all(difference(ours.tables / table, hand / table) == 0 for table in ("clean", "shown"))
    for program in programs:
        print(
            f"{program.name}: {len(program.seconds)} files, p50 {statistics.median(program.seconds):.2f} s, p95 {_p95(program.seconds):.2f} s",
            flush=True,
        )
    p50, p95 = (figure(ours.seconds) / figure(programs[1].seconds) for figure in (statistics.median, _p95))
    passed = equal and p50 <= P50_LIMIT and p95 <= P95_LIMIT
    print(
        f"etl run ÷ by hand: p50 {p50:.2f} (limit {P50_LIMIT}), p95 {p95:.2f} (limit {P95_LIMIT}), {'equal outputs' if equal else 'OUTPUTS DIFFER'}:"
        f" {'passed' if passed else 'FAILED'}\nby hand, idle: {idle:.3f} of a processor",
        flush=True,
    )
    return passed


def _idle(folder: Path, flows: int) -> bool:
    """Half of the flows read the source, the others each one of those."""
    lines = ["version: 1", "name: idle", PIPELINE.splitlines()[2], "flows:"]
    for number in range(flows // 2):
        lines.append(f"  clean_{number}: {{inputs: [readings], incremental: rows}}")
        lines.append(f"  shown_{number}: {{inputs: [clean_{number}], incremental: rows}}")
    program = _ours(folder, "\n".join(lines) + "\n", "idle")
    try:
        program.start(tuple(f"shown_{number}" for number in range(flows // 2)))
        waited = time.monotonic()
        while program.idle_share(QUIET_S) > BUSY and time.monotonic() - waited < PATIENCE_S:
            pass  # what is done ahead of the next epochs is not done yet
        share = program.idle_share(IDLE_S)
    finally:
        program.end()
    passed = share <= IDLE_LIMIT
    print(
        f"{flows} flows, idle: {share:.4f} of a processor (limit {IDLE_LIMIT}): {'passed' if passed else 'FAILED'}",
        flush=True,
    )
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--rest", type=float, default=3.0, help="seconds between a commit and the next file")
    parser.add_argument("--idle-flows", type=int, default=20)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    try:
        passed = _latency(folder, chosen.files, chosen.rest) if chosen.files else True
        passed &= _idle(folder / "idle", chosen.idle_flows)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
