"""One run at a time works on a flow.

The lock is the kernel's (flock), so it dies with the process that held it, `kill -9` included: no stale lock stops a later
run. What may outlive a killed driver for a moment is its JVM, with a commit in flight; its pid stands in the lock file,
and the next holder waits until it is gone. Words in a lock file that nobody holds say that its holder was killed: the next
one takes away what that left behind.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine import leftovers
from etl.errors import LockHeld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.engine.storage import FlowPaths

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_WAIT_FOR_JVM_S = 60.0
_WAIT_FOR_TURN_S = 3600.0
_WAIT_FOR_DRAFTS_S = 1.0  # a live writer's draft becomes a commit in much less
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
            "start": _start(os.getpid()),
            "jvm": jvm,
            "jvm_start": _start(jvm) if jvm else None,
            "since": time.time(),
            "in_turns": self._in_turns,
        }
        text = json.dumps(holder).encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


@contextmanager
def flow_lock(
    paths: FlowPaths, *, flow: str, run_id: str, in_turns: Callable[[str], None] | None = None
) -> Iterator[FlowLock]:
    """Hold the flow's lock for the body; LockHeld, naming the holder, where another run has it.

    `in_turns`: for one that holds the lock often and never for long (a backfill, window by window). It waits for whoever holds it,
    tells `in_turns` once for whom, and a run waits for it in its turn.
    """
    with _locked(paths, flow, run_id, in_turns=in_turns, waits=True) as lock:
        yield lock


def settle(paths: FlowPaths, *, flow: str, run_id: str) -> None:
    """Take away what a run that was killed has left of a flow that has nothing to do; where somebody works on it, that one does."""
    if _words(paths.lock):
        with suppress(LockHeld), _locked(paths, flow, run_id, in_turns=None, waits=False):
            pass


@contextmanager
def _locked(
    paths: FlowPaths, flow: str, run_id: str, *, in_turns: Callable[[str], None] | None, waits: bool
) -> Iterator[FlowLock]:
    descriptor = _open_locked(paths.lock, flow, in_turns, waits=waits)
    try:
        was_killed = os.fstat(descriptor).st_size > 0
        _wait_for_jvm(flow, _holder(descriptor))
        drafts, seen = leftovers.table_drafts(paths) if was_killed else {}, time.monotonic()
        if was_killed:
            leftovers.clear_checkpoints(paths)
        lock = FlowLock(descriptor, run_id, in_turns=in_turns is not None)
        lock._write()  # noqa: SLF001  # the lock's own first entry
        yield lock
        if drafts:
            time.sleep(max(0.0, seen + _WAIT_FOR_DRAFTS_S - time.monotonic()))
            leftovers.clear_drafts(drafts)
        os.ftruncate(descriptor, 0)  # a holder that left in good order has no JVM to wait for
    finally:
        _close(descriptor)


_OPEN: set[int] = set()
"""Descriptors of lock files in this process: a child that is forked from it must not hold what its parent has locked, and outlive it."""


def _open_locked(path: str, flow: str, in_turns: Callable[[str], None] | None, *, waits: bool) -> int:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        _OPEN.add(descriptor)
        try:
            _take(descriptor, flow, in_turns, waits=waits)
            if _is_named(path, descriptor):
                return descriptor
        except BaseException:
            _close(descriptor)
            raise
        _close(descriptor)  # somebody removed the file just now: whoever comes next would lock another one


def _close(descriptor: int) -> None:
    if descriptor in _OPEN:
        _OPEN.remove(descriptor)
        os.close(descriptor)


def _leave_to_parent() -> None:
    for descriptor in tuple(_OPEN):
        _close(descriptor)


os.register_at_fork(after_in_child=_leave_to_parent)


def _is_named(path: str, descriptor: int) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _words(lock: str) -> bool:
    """Whether there is anything in a lock file."""
    try:
        return Path(lock).stat().st_size > 0
    except FileNotFoundError:
        return False


def taken_in_turns(path: str) -> bool:
    """Whether one that holds the lock often and never for long holds it now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return bool(_holder(descriptor).get("in_turns"))
    else:
        return False
    finally:
        os.close(descriptor)


def _take(descriptor: int, flow: str, in_turns: Callable[[str], None] | None, *, waits: bool) -> None:
    """Lock the file, now or, where the caller `waits`, as soon as it is free again if that is worth it."""
    began, told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, waited = _holder(descriptor), time.monotonic() - began
            patience = _WAIT_FOR_TURN_S if in_turns is not None or holder.get("in_turns") else 0.0
            if not waits or waited > max(patience, 0.0 if holder else _WAIT_FOR_NAME_S):
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
    except (ValueError, RecursionError):  # a holder killed in the middle of writing it, or not ours at all
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
    """Wait until the JVM of a driver that was killed is gone. One of this very process goes on with what it is told."""
    jvm, started = holder.get("jvm"), holder.get("jvm_start")
    is_ours = (holder.get("pid"), holder.get("start")) == (os.getpid(), _start(os.getpid()))
    if not isinstance(jvm, int) or started is None or is_ours:
        return
    deadline = time.monotonic() + _WAIT_FOR_JVM_S
    while _start(jvm) == started:
        if time.monotonic() > deadline:
            raise LockHeld(
                f"flow '{flow}': the JVM {jvm} of a run that was killed is still alive",
                hint=f"end process {jvm}, then run again",
            )
        time.sleep(0.05)


def _start(pid: int) -> str | None:
    """When a process was started, as boot and clock ticks since: tells it from any other with its pid, on whatever machine. None: not alive."""
    try:
        boot = _BOOT.read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
