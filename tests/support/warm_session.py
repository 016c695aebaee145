"""A session that stays, and a project whose commands use it: started, asked and ended as a person does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.killing import run as etl
from tests.support.screen import Terminal

_PATIENCE_S = 240.0


@dataclass(frozen=True, slots=True)
class Warm:
    """A project, and the folder in which its sessions have their sockets."""

    project: Path
    runtime: Path

    def etl(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Exit code, output and errors of a command."""
        done = etl(self.project, *arguments, XDG_RUNTIME_DIR=str(self.runtime), **variables)
        return done.returncode, done.stdout, done.stderr

    def terminal(self, *arguments: str, **variables: str) -> Terminal:
        return Terminal(self.project, *arguments, XDG_RUNTIME_DIR=str(self.runtime), **variables)

    def start(self, *options: str) -> dict[str, Any]:
        code, output, errors = self.etl("warm", "start", "--json", *options)
        assert code == 0, output + errors
        session: dict[str, Any] = json.loads(output)["session"]
        return session

    def status(self) -> dict[str, Any] | None:
        code, output, errors = self.etl("warm", "status", "--json")
        assert code == 0, output + errors
        session: dict[str, Any] | None = json.loads(output)["session"]
        return session

    def commands(self) -> int:
        """The number of commands that the session has run."""
        session = self.status()
        return session["commands"] if session is not None else 0

    def ready(self) -> dict[str, Any]:
        """The status of the session, once it takes commands."""
        patience = time.monotonic() + _PATIENCE_S
        while time.monotonic() < patience:
            session = self.status()
            if session is not None and session["state"] == "ready":
                return session
            time.sleep(0.2)
        raise AssertionError("the session was never ready")

    def end(self) -> None:
        with contextlib.suppress(AssertionError):
            self.etl("warm", "stop")


@contextlib.contextmanager
def staying(project: Path, runtime: Path) -> Iterator[Warm]:
    """A session for the commands of the body; nothing of it is left after it."""
    warm = Warm(project, runtime)
    session = warm.start()
    try:
        yield warm
    finally:
        warm.end()
    for pid in (session["pid"], session["jvm_pid"]):
        assert is_gone(pid), "a process of the session was left"


def is_gone(pid: int, *, within_s: float = 30.0) -> bool:
    """Whether a process has ended, or does so soon."""
    patience = time.monotonic() + within_s
    while time.monotonic() < patience:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def kill(pid: int) -> None:
    """End a process at once, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    assert is_gone(pid)
