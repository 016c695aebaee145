"""The one bench of a pytest process: opened by the first test that needs it, closed when pytest ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from etl.operations.bench import Bench

if TYPE_CHECKING:
    from etl.config.spec import SparkSpec

_LOCK = threading.Lock()
_OPEN: list[Bench] = []


def bench(spec: SparkSpec) -> Bench:
    """The process's bench; the first caller's environment says how its session is made."""
    with _LOCK:
        if not _OPEN:
            _OPEN.append(Bench(spec))
        return _OPEN[0]


def close() -> None:
    """End the session, if it was started here, and delete what was written."""
    with _LOCK:
        while _OPEN:
            _OPEN.pop().close()
