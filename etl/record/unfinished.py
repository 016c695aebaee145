"""What is recorded of work that a signal ends at once: how far it had come.

`kill -9` leaves no record, and needs none: the tables' own logs tell what was committed.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from etl.errors import EtlError
from etl.record.history import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.planning.backfill import BackfillResult
    from etl.planning.replay import ReplayResult
    from etl.planning.results import RunResult

_WAIT_S = 3.0  # for a store that does not answer now

_UNFINISHED: dict[int, tuple[str, Callable[[], RunResult | BackfillResult | ReplayResult]]] = {}

ENDED = "the run was ended at once"


@contextlib.contextmanager
def recorded_if_ended(storage: str, so_far: Callable[[], RunResult | BackfillResult | ReplayResult]) -> Iterator[None]:
    """Have `so_far()` recorded where a signal ends the process within the body; what the body records by itself is its own."""
    key = id(so_far)
    _UNFINISHED[key] = (storage, so_far)
    try:
        yield
    finally:
        _UNFINISHED.pop(key, None)


def record_all() -> None:
    """Record what is under way, as this process is about to end; it ends without where that takes longer than 3 s, or fails."""
    for storage, so_far in tuple(_UNFINISHED.values()):
        # A thread of its own: the one that a signal has interrupted may be amid the same work, and hold what it needs.
        recording = threading.Thread(target=_record, args=(storage, so_far), daemon=True)
        recording.start()
        recording.join(_WAIT_S)


def _record(storage: str, so_far: Callable[[], RunResult | BackfillResult | ReplayResult]) -> None:
    # Nobody would read of a failure any more, and the tables' own logs tell what matters.
    with contextlib.suppress(OSError, EtlError):
        record(storage, so_far())
