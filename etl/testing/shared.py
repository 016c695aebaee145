"""The one sandbox of a pytest process: opened by the first test that needs it, closed when pytest ends."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.operations.harness.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.spec import SparkSpec

_LOCK = threading.Lock()
_OPEN: list[Sandbox] = []
_USES: list[Sandbox] = []  # the sandbox, once for each body that works in it


@contextmanager
def sandbox(spec: SparkSpec) -> Iterator[Sandbox]:
    """The process's sandbox; the first caller's environment says how its session is made.

    A session of the user's is borrowed for the body only: before the next one it may be stopped, or another one be active.
    """
    with _LOCK:
        if not _OPEN:
            _OPEN.append(Sandbox(spec))
        shared = _OPEN[0]
        _USES.append(shared)
    try:
        yield shared
    finally:
        with _LOCK:
            _USES.remove(shared)
            if shared not in _USES:
                shared.give_back()


def close() -> None:
    """End the session, if it was started here, and delete what was written."""
    with _LOCK:
        while _OPEN:
            _OPEN.pop().close()
