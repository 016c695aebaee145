"""The record in a flow's lock of who holds it, for whoever wants it next, on whatever machine. It is one JSON object."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import LockHeld

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES = Path("/proc/self/ns/pid")
_WAIT_FOR_JVM_S = 60.0
_WAIT_FOR_TURN_S = 3600.0


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A run in a process: `start` tells that from any other with its pid; `machine` tells where pids mean anything."""

    run: str = "?"
    host: str = "?"
    pid: int | None = None
    start: str | None = None
    jvm: int | None = None
    jvm_start: str | None = None
    since: float = 0.0
    in_turns: bool = False
    machine: str = ""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    gave_up: bool = False  # it ended, and not in good order

    @classmethod
    def here(cls, run_id: str, *, in_turns: bool) -> LockHolder:
        """This process, for a run of its own."""
        own = os.getpid()
        return cls(
            run=run_id,
            host=socket.gethostname(),
            pid=own,
            start=started(own),
            since=time.time(),
            in_turns=in_turns,
            machine=this_machine(),
        )

    @classmethod
    def loads(cls, text: bytes) -> LockHolder | None:
        """The holder that a record names; None where there is no record. One that is not ours, or not whole, names nobody known."""
        if not text.strip():
            return None
        record: Any = None
        with suppress(ValueError, RecursionError):
            record = json.loads(text)
        if not isinstance(record, dict):
            return cls(token="")
        fields = {name: record[name] for name in cls.__slots__ if name in record}
        jvm = fields.get("jvm")
        if not isinstance(jvm, int):
            fields["jvm"] = None
        return cls(**{"token": "", **fields})

    def dumps(self) -> bytes:
        """The record."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()

    def with_jvm(self, pid: int) -> LockHolder:
        """The same, and which JVM works for it."""
        return replace(self, jvm=pid, jvm_start=started(pid))

    @property
    def is_dead(self) -> bool:
        """Whether its process is known to have ended: only of one on this machine can that be known."""
        if self.gave_up:
            return True
        here = bool(self.machine) and self.machine == this_machine()
        return here and isinstance(self.pid, int) and _has_ended(self.pid, self.start)

    @property
    def is_named(self) -> bool:
        """Whether the record names it."""
        return self.run != "?"

    @property
    def is_this_process(self) -> bool:
        return (self.pid, self.start) == (os.getpid(), started(os.getpid()))

    def __str__(self) -> str:
        return f"run {self.run} (process {self.pid if self.pid is not None else '?'} on {self.host})"

    def refuses(self, flow: str, hint: str) -> LockHeld:
        """The error of another run that wants the lock of `flow`."""
        return LockHeld(f"flow '{flow}' is being worked on by {self}", hint=hint)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How one that wants a lock waits for who holds it.

    Attributes:
        at_most_s: for how long; 0: not at all.
        in_turns: it holds the lock often and never for long itself (a backfill, window by window), so it waits for its turn.
        tell: told once who it waits for, in words.
        goes_on: whether it still waits; asked again and again.
    """

    at_most_s: float = 0.0
    in_turns: bool = False
    tell: Callable[[str], None] = field(default=lambda _: None)
    goes_on: Callable[[], bool] = field(default=lambda: True)

    def patience(self, holder: LockHolder) -> float:
        """For how many seconds it waits: long where one of the two holds the lock often and never for long."""
        return max(self.at_most_s, _WAIT_FOR_TURN_S if self.in_turns or holder.in_turns else 0.0)


def wait_for_jvm(flow: str, holder: LockHolder) -> None:
    """Wait until the JVM of a driver that was killed is gone. One of this very process goes on with what it is told."""
    if holder.jvm is None or holder.jvm_start is None or holder.is_this_process:
        return
    deadline = time.monotonic() + _WAIT_FOR_JVM_S
    while started(holder.jvm) == holder.jvm_start:
        if time.monotonic() > deadline:
            raise LockHeld(
                f"flow '{flow}': the JVM {holder.jvm} of a run that was killed is still alive",
                hint=f"end process {holder.jvm}, then run again",
            )
        time.sleep(0.05)


def _has_ended(pid: int, start: str | None) -> bool:
    """Whether it is certain that a process of this machine has ended: where the system hides those of others, it is not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (OSError, ValueError, IndexError):
        return False
    return state in "ZX" or (start is not None and started(pid) != start)


def started(pid: int) -> str | None:
    """When a process was started, as boot and clock ticks since: tells it from any other with its pid, on whatever machine. None: not alive."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def this_machine() -> str:
    """This boot of this machine, and among its containers this one's processes; empty where the system does not tell."""
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}/{_PROCESSES.readlink()}"
    except OSError:
        return ""
