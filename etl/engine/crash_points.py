"""Named moments at which a run may die, so that tests can make it die there; of a run that nobody disturbs they take no notice.

In one process a test arms a point (`armed`), and whoever reaches it is thrown out by `Crash`; from then on every other point throws
too, since a dead process reaches nothing any more. For a real process `ETL_CRASH_AT=<point>[:<nth>[:<signal>]]` makes it kill itself, with
SIGKILL or with that signal, the nth time it comes there; SIGSTOP makes it stand still until somebody lets it go on. Between a commit's data files and the commit itself there is no Python: that moment is watched for
from outside, by the tests that kill real processes.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VARIABLE = "ETL_CRASH_AT"


class Point(StrEnum):
    """The moments, in the order in which a run comes to them."""

    LOCKED = "locked"  # the flow's lock is held, nothing is decided
    GENERATION_OPENED = "generation_opened"  # a new generation is known, and Spark's checkpoint of it is empty
    STREAM_OPENED = "stream_opened"  # the query is built, and not yet started
    EPOCH_OFFERED = "epoch_offered"  # Spark has written the epoch's offsets, we nothing
    OUTPUT_MADE = "output_made"  # the kind has read what it needs, and holds frames in Spark's cache
    COLUMNS_ADDED = "columns_added"  # the target's schema has evolved; rows that need it are still to come
    HOLDING = "holding"  # state, rebuilt: the epoch's results are computed and not yet kept
    HELD = "held"  # state, rebuilt: the epoch's results are kept, the target and Spark's commit log know nothing
    STATE_COMMITTING = "state_committing"  # the rows are counted and cached; what the sink remembers is not committed
    STATE_COMMITTED = "state_committed"  # what the sink remembers is one epoch ahead of the target
    QUARANTINE_COMMITTED = "quarantine_committed"  # so are the quarantined rows
    TARGET_COMMITTING = "target_committing"  # the last moment before the target's commit; epoch 0: before the swap
    TARGET_COMMITTED = "target_committed"  # the target has the epoch, nobody knows its counts; epoch 0: after the swap
    COUNTS_RECORDED = "counts_recorded"  # all of ours is done; Spark's commit log does not know
    STREAM_ENDED = "stream_ended"  # the query has ended, with data or without
    NOTHING_STREAMED = "nothing_streamed"  # a new generation's stream had no data; its empty target is still to come
    ATTEMPT_FAILED = "attempt_failed"  # an attempt failed, and the next one has not begun
    COMPACTING = "compacting"  # what to rewrite of a table is decided, its commit is to come
    COMPACTED = "compacted"  # it is committed; other tables, old files and old generations are still to come
    VACUUMING = "vacuuming"  # a file that nothing needs is gone, others are to go
    GENERATION_FORGOTTEN = (
        "generation_forgotten"  # the record of a superseded generation is gone, its other files are to go
    )
    MAINTAINED = "maintained"  # all that was due is done, the lock is still held
    FLOW_DONE = "flow_done"  # the flow's work is done, its lock is still held
    ORPHANED_FILE_REMOVED = "orphaned_file_removed"  # a file of a flow that is no more is gone, others may be there
    RUN_DONE = "run_done"  # every flow is done; the run is not in the history


OF_MAINTENANCE = frozenset(
    {Point.COMPACTING, Point.COMPACTED, Point.VACUUMING, Point.GENERATION_FORGOTTEN, Point.MAINTAINED}
)
"""Those to which `etl maintain` comes, and a run only where its flow says `maintenance: {auto: true}`."""


class Crash(BaseException):  # like KeyboardInterrupt, it passes every `except Exception`
    """The process dies here, as far as one process can."""


@dataclass(slots=True)
class Armed:
    """A point that throws: how often it is still passed unharmed, and whether it has thrown."""

    point: Point
    passes: int
    crashed: bool = False
    deed: Callable[[], None] | None = None


_LOCK = threading.Lock()
_ARMED: list[Armed] = []


@contextmanager
def armed(point: Point, nth: int = 1, *, deed: Callable[[], None] | None = None) -> Iterator[Armed]:
    """Whoever comes to `point` for the nth time within the body crashes, and with it whoever comes to any point after that.

    With a `deed`, such as the end of somebody else, that is done instead, once, and whoever came there goes on.
    """
    trap = Armed(point, nth - 1, deed=deed)
    with _LOCK:
        _ARMED.append(trap)
    try:
        yield trap
    finally:
        with _LOCK:
            _ARMED.remove(trap)


def reach(point: Point) -> None:
    """Say that `point` is reached: nothing happens, unless a test has armed it."""
    variable = os.environ.get(VARIABLE)
    if variable is None and not _ARMED:
        return
    with _LOCK:
        if variable is not None:
            _killing(variable)
        for item in _ARMED:
            if item.crashed and item.deed is not None:
                continue
            if item.crashed:
                raise Crash(f"{item.point} (and so {point})")
            if item.point == point:
                if item.passes == 0:
                    item.crashed = True
                    if item.deed is None:
                        raise Crash(str(point))
                    item.deed()
                    continue
                item.passes -= 1
        for item in _KILLING:
            if item.point == point:
                if item.passes == 0:
                    os.kill(os.getpid(), _SIGNAL[0])
                item.passes -= 1


_KILLING: list[Armed] = []
_SIGNAL: list[int] = [signal.SIGKILL]


def _killing(setting: str) -> None:
    """What the environment variable asks for, read once."""
    if not _KILLING:
        name, nth, by, *_ = (*setting.split(":"), "", "")
        _SIGNAL[0] = signal.Signals[by] if by else signal.SIGKILL
        _KILLING.append(Armed(Point(name), int(nth or 1) - 1))
