"""What a whole process takes, from its start to its exit, with all that it starts and waits for."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SHOWN = 4_000  # characters at the end of what a command that fails has said
_DRAINED_S = 5.0


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds by the clock and of the processors; the memory of the largest process, in bytes, at its peak.

    What a process has started and does not wait for is in neither of the last two: the JVM of a program that ends by `spark.stop()`.
    """

    wall: float
    cpu: float
    memory: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.wall + other.wall, self.cpu + other.cpu, max(self.memory, other.memory))

    def __str__(self) -> str:
        return f"{self.wall:.1f} s wall, {self.cpu:.1f} s of processors"


def ran(
    command: list[str], folder: Path, environment: Mapping[str, str] | None = None, *, terminal: bool = False
) -> Taken:
    """What one command took; with `terminal`, typed at one of 80 columns. Raises SystemExit where it fails."""
    variables = {**os.environ, **(environment or {})}
    if terminal:
        variables |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    with tempfile.TemporaryFile() as said:
        output = said.fileno()
        if terminal:
            screen, output = os.openpty()
            drain = threading.Thread(target=_drain, args=(screen, said), daemon=True)
            drain.start()
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        taken = Taken(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
        process.returncode = os.waitstatus_to_exitcode(status)
        if terminal:
            os.close(output)
            drain.join(_DRAINED_S)
        if process.returncode != 0:
            said.seek(0)
            end = said.read().decode(errors="replace")[-_SHOWN:]
            raise SystemExit(f"{' '.join(command)} failed: exit code {process.returncode}\n{end}")
    return taken


def _drain(screen: int, said: IO[bytes]) -> None:
    """Keep what is drawn, as it comes, until all who draw are gone."""
    try:
        while drawn := os.read(screen, 65536):
            said.write(drawn)
    except OSError:  # how a pseudo-terminal says that nobody writes any more
        os.close(screen)
