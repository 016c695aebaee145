"""One run at a time works on a flow.

The lock is the kernel's (flock), so it dies with the process that held it, `kill -9` included: no stale lock stops a later
run. What may outlive a killed driver for a moment is its JVM, with a commit in flight; its pid stands in the lock file,
and the next holder waits until it is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.errors import LockHeld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WAIT_FOR_JVM_S = 60.0
_WAIT_FOR_TURN_S = 3600.0
_WAIT_FOR_NAME_S = 1.0  # a holder writes its name just after it has taken the lock


class FlowLock:
    """A lock that is held; `tell_jvm` makes it known which JVM works under it."""

    def __init__(self, descriptor: int, run_id: str, *, in_turns: bool = False) -> None:
        self._descriptor = descriptor
        self._run_id = run_id
        self._in_turns = in_turns

    def tell_jvm(self, pid: int) -> None:
        """Write the pid of the JVM that now works for this run into the lock file."""
        self._write(jvm=pid)

    def _write(self, jvm: int | None = None) -> None:
        holder = {
            "run": self._run_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "jvm": jvm,
            "jvm_start": _start_time(jvm) if jvm else None,
            "since": time.time(),
            "in_turns": self._in_turns,
        }
        text = json.dumps(holder).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


@contextmanager
def flow_lock(
    path: str, *, flow: str, run_id: str, in_turns: Callable[[str], None] | None = None
) -> Iterator[FlowLock]:
    """Hold the flow's lock for the body; LockHeld, naming the holder, where another run has it.

    `in_turns`: for one that holds the lock often and never for long (a backfill, window by window). It waits for whoever holds it,
    tells `in_turns` once for whom, and a run waits for it in its turn.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, flow, in_turns)
        _wait_for_jvm(flow, _holder(descriptor))
        lock = FlowLock(descriptor, run_id, in_turns=in_turns is not None)
        lock._write()  # noqa: SLF001  # the lock's own first entry
        yield lock
        os.ftruncate(descriptor, 0)  # a holder that left in good order has no JVM to wait for
    finally:
        os.close(descriptor)


def _take(descriptor: int, flow: str, in_turns: Callable[[str], None] | None) -> None:
    """Lock the file, now or as soon as it is free again where it is worth waiting for that."""
    began, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, waited = _holder(descriptor), time.monotonic() - began
            patience = _WAIT_FOR_TURN_S if in_turns is not None or holder.get("in_turns") else 0.0
            if waited > max(patience, 0.0 if holder else _WAIT_FOR_NAME_S):
                raise _held(flow, holder) from None
            if in_turns is not None and holder and not told:
                in_turns(_who(holder))
                told = True
            time.sleep(0.05)
        else:
            return


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(descriptor, 65536, 0) or b"{}")
    except ValueError:  # a holder killed in the middle of writing it
        return {}
    return found if isinstance(found, dict) else {}


def _held(flow: str, holder: dict[str, Any]) -> LockHeld:
    return LockHeld(
        f"flow '{flow}' is being worked on by {_who(holder)}",
        hint="wait for that run to end, or stop it; the lock goes when its process ends",
    )


def _who(holder: dict[str, Any]) -> str:
    return f"run {holder.get('run', '?')} (process {holder.get('pid', '?')} on {holder.get('host', '?')})"


def _wait_for_jvm(flow: str, holder: dict[str, Any]) -> None:
    jvm, started = holder.get("jvm"), holder.get("jvm_start")
    if not isinstance(jvm, int) or holder.get("host") != socket.gethostname() or holder.get("pid") == os.getpid():
        return
    deadline = time.monotonic() + _WAIT_FOR_JVM_S
    while started is not None and _start_time(jvm) == started:
        if time.monotonic() > deadline:
            raise LockHeld(
                f"flow '{flow}': the JVM {jvm} of a run that was killed is still alive",
                hint=f"end process {jvm}, then run again",
            )
        time.sleep(0.05)


def _start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot: tells a process from a later one with its pid. None: not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else fields[19]
