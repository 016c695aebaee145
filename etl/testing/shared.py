"""The one bench of a pytest process: opened by the first test that needs it, closed when pytest ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.operations.harness.sandbox import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import SparkSpec

_LOCK = threading.Lock()
_OPEN: list[Bench] = []
_USES: list[Bench] = []  # the bench, once for each body that works on it


@contextmanager
def bench(spec: SparkSpec) -> Iterator[Bench]:
    """The process's bench; the first caller's environment says how its session is made.

    A session of the user's is borrowed for the body only: before the next one it may be stopped, or another one be active.
    """
    with _LOCK:
        if not _OPEN:
            _OPEN.append(Bench(spec))
        found = _OPEN[0]
        _USES.append(found)
    try:
        yield found
    finally:
        with _LOCK:
            _USES.remove(found)
            if found not in _USES:
                found.give_back()


def close() -> None:
    """End the session, if it was started here, and delete what was written."""
    with _LOCK:
        while _OPEN:
            _OPEN.pop().close()
