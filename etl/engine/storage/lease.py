"""The lock of a flow in an object store, which has no kernel to let go of it: an object that its holder puts again every few seconds.

It is taken by a put that the store refuses where the object is there, or is another one than was read; so of two only one succeeds,
whatever their clocks say. Who wants it and finds it held watches it: if it is put again meanwhile, its holder lives, and is named; if it is not for
as long as a lease lasts, its holder is gone, and the lock is taken from it. No clock of another machine is asked. A holder that was
only paused finds at its next put that the lock is another's; and no commit of its is put in the meantime, since Delta's log store looks at the
lock before it puts one (jvm/ConditionalLogStore.java).
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.engine.storage.holder import LockHolder, Waiting, wait_for_jvm
from etl.engine.storage.object_store import ObjectPlace, Taken, unheeded
from etl.errors import EnvironmentProblem, FlowFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

BEAT_S = 5.0
LEASE_S = 20.0  # a beat, and the longest that a hurried put takes, and some
_LOOK_S = 0.5
_TURN_S = 0.1  # for one who waits for its turn, between two looks
_PROVED: set[str] = set()
"""Buckets of which this process has seen that they refuse what they should."""


class Lease:
    """A lock that is held as long as `beat` succeeds; `lost` is set when it does not any more."""

    def __init__(self, at: ObjectPlace, holder: LockHolder, tag: str, flow: str) -> None:
        self._at, self._holder, self._tag, self._flow = at, holder, tag, flow
        self._put_at = time.monotonic()
        self._putting = threading.Lock()
        self._ended = threading.Event()
        self.lost = threading.Event()
        self._beating = threading.Thread(target=self._beat, name=f"lease of {flow}", daemon=True)
        self._beating.start()

    def tell_jvm(self, pid: int) -> None:
        """Let the lock tell which JVM works for this run."""
        self._put(self._holder.with_jvm(pid))

    def must_hold(self) -> None:
        """FlowFailed where the lock is another's by now; one that could not be put for a while asks."""
        if self.lost.is_set() or (
            time.monotonic() - self._put_at > LEASE_S and not _is_of(_read(self._at)[0], self._holder)
        ):
            raise lost(self._flow, self._at)

    def leave(self) -> None:
        """Let go of it in good order: nothing is left to clear away."""
        self._end(b"")

    def give_up(self) -> None:
        """Let go of it, and let the next one know that something may be left behind."""
        self._end(replace(self._holder, gave_up=True).dumps())

    def _end(self, record: bytes) -> None:
        if self._ended.is_set() or self._holder.pid != os.getpid():  # a child that was forked holds nothing
            return
        self._ended.set()
        # Where it is lost, or the store does not answer, there is nothing to let go of: the lease runs out.
        with self._putting, suppress(Taken, EnvironmentProblem):
            if self.lost.is_set():
                return
            try:
                self._at.put(record, instead_of=self._tag)
            except Taken:  # by a beat of our own, whose answer was lost
                holder, tag = _read(self._at)
                if _is_of(holder, self._holder):
                    self._at.put(record, instead_of=tag)

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S) and not self.lost.is_set():
            try:
                self._put(self._holder)
            except EnvironmentProblem:  # not heard is not lost: the next put tells
                continue
            except BaseException:
                self.lost.set()
                raise

    def _put(self, holder: LockHolder) -> None:
        with self._putting:
            if self._ended.is_set() or self.lost.is_set():
                return
            self._holder, began = holder, time.monotonic()
            try:
                self._tag = self._at.put(_anew(holder), instead_of=self._tag)
            except Taken:
                # Refused, too, where an answer was lost and the put was tried again.
                current, tag = _read(self._at)
                if not _is_of(current, holder):
                    self.lost.set()
                    return
                self._tag = tag
            self._put_at = began


def _is_of(current: LockHolder | None, holder: LockHolder) -> bool:
    return current is not None and current.token == holder.token and not current.gave_up


def _anew(holder: LockHolder) -> bytes:
    """The holder's record, never twice the same: a store's tag may be made of the content alone."""
    return holder.dumps()[:-1] + f', "put": {time.time_ns()}}}'.encode()


def lost(flow: str, at: ObjectPlace) -> FlowFailed:
    """The error of a run whose lock is another's by now."""
    holder, _ = _read(at)
    return FlowFailed(
        f"flow '{flow}': its lock is held by {holder} now"
        if holder is not None
        else f"flow '{flow}': its lock was taken away",
        hint=f"this run did not renew it for {LEASE_S:g} seconds: it was paused, or cut off from the store; nothing of it was committed since",
    )


@contextmanager
def leased(lock: str, flow: str, run_id: str, waiting: Waiting) -> Iterator[tuple[Lease, bool]]:
    """Hold the lock for the body, with whether its last holder left something behind; LockHeld, naming the holder, where it is alive."""
    at, own = _of(lock), LockHolder.here(run_id, in_turns=waiting.in_turns)
    tag, was_killed = _take(at, own, flow, waiting)
    lease = Lease(at, own, tag, flow)
    try:
        _prove(at, own)
        must_hold(lock, flow, run_id)  # the answer may have come late
        yield lease, was_killed
    except BaseException:
        lease.give_up()
        raise
    else:
        lease.leave()


def _of(lock: str) -> ObjectPlace:
    return replace(ObjectPlace.of(lock), hurried=True)


def has_holder_record(lock: str) -> bool:
    """Whether somebody holds the lock, or has left it without letting go."""
    return _read(_of(lock))[0] is not None


def must_hold(lock: str, flow: str, run_id: str) -> None:
    """FlowFailed where the run does not hold the lock, as the store has it now."""
    if not holds(lock, run_id):
        raise lost(flow, _of(lock))


def holds(lock: str, run_id: str) -> bool:
    """Whether the run holds the lock, as the store has it now."""
    holder, _ = _read(_of(lock))
    return holder is not None and holder.run == run_id and not holder.gave_up


def is_held_in_turns(lock: str) -> bool:
    """Whether one that holds the lock often and never for long holds it now."""
    at, watch = _of(lock), _Watch()
    holder, tag = _read(at)
    while holder is not None and holder.in_turns and not holder.is_dead and not watch.is_over:
        if watch.sees(tag):
            return True
        time.sleep(_LOOK_S)
        holder, tag = _read(at)
    return False


class _Watch:
    """What one sees who looks at a lock again and again, by this process's own clock."""

    def __init__(self) -> None:
        self._tag: str | None = None
        self._looked, self._quiet = 0.0, 0.0

    def sees(self, tag: str) -> bool:
        """Whether the lock was put again since the last look: somebody is alive."""
        is_first, is_same, now = self._tag is None, self._tag == tag, time.monotonic()
        # While nobody could look, because the store did not answer or this machine slept, nobody could put it either.
        self._quiet = self._quiet + min(now - self._looked, 2 * _LOOK_S) if is_same else 0.0
        self._tag, self._looked = tag, now
        return not is_first and not is_same

    @property
    def is_over(self) -> bool:
        """Whether nobody has put it for as long as a lease lasts."""
        return self._quiet > LEASE_S


def _read(at: ObjectPlace) -> tuple[LockHolder | None, str]:
    """Who holds the lock, and the tag of what says so; empty where there is no lock yet."""
    try:
        text, tag = at.read_tagged()
    except FileNotFoundError:
        return None, ""
    return LockHolder.loads(text), tag


def _take(at: ObjectPlace, own: LockHolder, flow: str, waiting: Waiting) -> tuple[str, bool]:
    """Put our record, now or as soon as that is right; its tag, and whether it took the place of a record of one that is gone."""
    began, watch, has_announced = time.monotonic(), _Watch(), False
    while True:
        holder, tag = _read(at)
        is_alive = watch.sees(tag)
        if holder is None or holder.is_dead or watch.is_over:
            if holder is not None:
                wait_for_jvm(flow, holder)
            try:
                return at.put(_anew(own), new=not tag, instead_of=tag or None), holder is not None
            except Taken:  # by somebody who was faster; or by ourselves, and the answer was lost
                winner, tag = _read(at)
                if winner is not None and winner.token == own.token:
                    return tag, holder is not None
                continue
        worth = waiting.patience(holder)
        if is_alive and (not waiting.goes_on() or time.monotonic() - began > worth):
            raise holder.refuses(
                flow, "wait for that run to end, or stop it; the lock goes when its process ends, or soon after"
            )
        if worth and not has_announced:
            waiting.tell(str(holder))
            has_announced = True
        time.sleep(_TURN_S if waiting.in_turns or holder.in_turns else _LOOK_S)


def _prove(at: ObjectPlace, own: LockHolder) -> None:
    """EnvironmentProblem where the store takes puts that it should refuse: no lock and no commit would then mean anything."""
    if at.bucket in _PROVED:
        return
    ignored_condition = unheeded(at.with_name(f"lock-{own.token}"))
    if ignored_condition:
        raise EnvironmentProblem(
            f"the object store of s3a://{at.bucket} does not heed {ignored_condition}",
            hint="two runs could not be kept apart there; use a store that takes conditional writes, as S3 does",
        )
    _PROVED.add(at.bucket)
