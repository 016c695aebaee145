"""One run at a time works on a flow.

On a local file system the lock is the kernel's (flock), so it dies with the process that held it, `kill -9` included: no stale lock stops a
later run. What may outlive a killed driver for a moment is its JVM, with a commit in flight; its pid stands in the lock file,
and the next holder waits until it is gone. Words in a lock file that nobody holds say that its holder was killed: the next
one takes away what that left behind. In an object store the lock is a lease (`lease`).
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.config.object_uris import is_object
from etl.engine.storage import stale_files
from etl.engine.storage.holder import LockHolder, Waiting, wait_for_jvm
from etl.engine.storage.places import place
from etl.errors import LockHeld

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from etl.engine.storage.layout import FlowPaths

_WAIT_FOR_DRAFTS_S = 1.0  # a live writer's draft becomes a commit in much less
_WAIT_FOR_NAME_S = 1.0  # a holder writes its name just after it has taken the lock


class FlowLock(Protocol):
    """A lock that is held."""

    def tell_jvm(self, pid: int) -> None:
        """Make it known which JVM works under it."""

    def must_hold(self) -> None:
        """FlowFailed where it was lost meanwhile."""


class FileLock:
    """A lock that is the kernel's: it is held until this process lets go of it, or ends."""

    def __init__(self, descriptor: int, holder: LockHolder) -> None:
        self._descriptor, self._holder = descriptor, holder

    def tell_jvm(self, pid: int) -> None:
        """Write the pid of the JVM that now works for this run into the lock file."""
        self._holder = self._holder.with_jvm(pid)
        self.write()

    def must_hold(self) -> None:
        """Nothing: the kernel takes it from nobody."""

    def write(self) -> None:
        """Write who holds it."""
        text = self._holder.dumps()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


_AT_ONCE = Waiting()


@contextmanager
def flow_lock(paths: FlowPaths, *, flow: str, run_id: str, waiting: Waiting = _AT_ONCE) -> Iterator[FlowLock]:
    """Hold the flow's lock for the body; LockHeld, naming the holder, where another run has it for longer than one waits."""
    with _locked(paths, flow, run_id, waiting) as lock:
        yield lock


def clean_up_after_dead_run(paths: FlowPaths, *, flow: str, run_id: str) -> None:
    """Take away what a run that was killed has left of a flow that has nothing to do; where somebody works on it, that one does."""
    if _has_holder_record(paths.lock):
        with suppress(LockHeld), _locked(paths, flow, run_id, Waiting(goes_on=lambda: False)):
            pass


def holds(paths: FlowPaths, *, run_id: str) -> bool:
    """Whether the run still holds the flow's lock; True of one on a local file system, which nobody loses."""
    if not is_object(paths.lock):
        return True
    from etl.engine.storage.lease import holds as asked  # noqa: PLC0415  # only who stores in one needs its library

    return asked(paths.lock, run_id)


def must_hold(paths: FlowPaths, *, flow: str, run_id: str) -> None:
    """FlowFailed where the run does not hold the flow's lock any more: asked of the store just before a commit.

    Only a lock in an object store can be lost. Who does not know of it, and is about to commit, may be in another process than its holder.
    """
    if is_object(paths.lock):
        from etl.engine.storage.lease import must_hold as asked  # noqa: PLC0415  # only who stores in one needs its library

        asked(paths.lock, flow, run_id)


def holder_since(lock: str) -> float | None:
    """Since when, in seconds since 1970, who is recorded in a lock has held it, or had when it was killed; None where nobody is recorded."""
    try:
        record = place(lock).read_bytes()
    except FileNotFoundError:
        return None
    holder = LockHolder.loads(record)
    return None if holder is None else float(holder.since)


def is_held_in_turns(path: str) -> bool:
    """Whether one that holds the lock often and never for long holds it now."""
    if is_object(path):
        from etl.engine.storage.lease import is_held_in_turns as asked  # noqa: PLC0415  # likewise

        return asked(path)
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        return holder is not None and bool(holder.in_turns)
    else:
        return False
    finally:
        os.close(descriptor)


@contextmanager
def _locked(paths: FlowPaths, flow: str, run_id: str, waiting: Waiting) -> Iterator[FlowLock]:
    with _taken(paths.lock, flow, run_id, waiting) as (lock, was_killed):
        drafts, seen = stale_files.table_drafts(paths) if was_killed else {}, time.monotonic()
        if was_killed:
            stale_files.sweep_checkpoints(paths)
        yield lock
        if drafts:
            time.sleep(max(0.0, seen + _WAIT_FOR_DRAFTS_S - time.monotonic()))
            stale_files.sweep_stale_drafts(drafts)


def _taken(lock: str, flow: str, run_id: str, waiting: Waiting) -> AbstractContextManager[tuple[FlowLock, bool]]:
    """The lock, held, and whether its last holder was killed."""
    if is_object(lock):
        from etl.engine.storage.lease import leased  # noqa: PLC0415  # only who stores in one needs its library

        return leased(lock, flow, run_id, waiting)
    return _locked_file(lock, flow, run_id, waiting)


@contextmanager
def _locked_file(path: str, flow: str, run_id: str, waiting: Waiting) -> Iterator[tuple[FileLock, bool]]:
    descriptor = _open_locked(path, flow, waiting)
    try:
        was_killed = os.fstat(descriptor).st_size > 0
        left = _holder(descriptor)
        if left is not None:
            wait_for_jvm(flow, left)
        lock = FileLock(descriptor, LockHolder.here(run_id, in_turns=waiting.in_turns))
        lock.write()
        yield lock, was_killed
        os.ftruncate(descriptor, 0)  # a holder that left in good order has no JVM to wait for
    finally:
        _close(descriptor)


_OPEN: set[int] = set()
"""Descriptors of lock files in this process: a child that is forked from it must not hold what its parent has locked, and outlive it."""


def _open_locked(path: str, flow: str, waiting: Waiting) -> int:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        _OPEN.add(descriptor)
        try:
            _take(descriptor, flow, waiting)
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


def _has_holder_record(lock: str) -> bool:
    """Whether there is anything in a lock."""
    if is_object(lock):
        from etl.engine.storage.lease import has_holder_record as asked  # noqa: PLC0415  # only who stores in one needs its library

        return asked(lock)
    try:
        return Path(lock).stat().st_size > 0
    except FileNotFoundError:
        return False


def _take(descriptor: int, flow: str, waiting: Waiting) -> None:
    """Lock the file, now or, where the caller waits, as soon as it is free again."""
    began, has_announced = time.monotonic(), False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder, waited = _holder(descriptor), time.monotonic() - began
            named = holder is not None and holder.is_named
            worth = waiting.patience(holder or LockHolder())
            if not waiting.goes_on() or waited > max(worth, 0.0 if named else _WAIT_FOR_NAME_S):
                raise (holder or LockHolder()).refuses(
                    flow, "wait for that run to end, or stop it; the lock goes when its process ends"
                ) from None
            if worth and named and not has_announced:
                waiting.tell(str(holder))
                has_announced = True
            time.sleep(0.05)
        else:
            return


def _holder(descriptor: int) -> LockHolder | None:
    return LockHolder.loads(os.pread(descriptor, 65536, 0))
