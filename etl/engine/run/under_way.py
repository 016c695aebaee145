"""Epochs that a thread of this process is at: one whose JVM died may be at it still when the next attempt begins."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHANGED = threading.Condition()
_AT: Counter[str] = Counter()


@contextmanager
def under_way(generation_path: str) -> Iterator[None]:
    """Be known to work on an epoch of a generation."""
    with _CHANGED:
        _AT[generation_path] += 1
    try:
        yield
    finally:
        with _CHANGED:
            _AT[generation_path] -= 1
            _CHANGED.notify_all()


def wait_until_left(generation_path: str, timeout_s: float) -> bool:
    """Wait until nobody in this process works on an epoch of a generation; False where somebody still does."""
    with _CHANGED:
        return _CHANGED.wait_for(lambda: not _AT[generation_path], timeout_s)
