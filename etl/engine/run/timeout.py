"""Work of Spark's that may take so long and no longer."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession


def ends_within(seconds: float | None, work: Callable[[], object], session: SparkSession, *, tag: str) -> bool:
    """Do it, and say whether it ended in time: what did not is interrupted, by the tag of its jobs. What it raises is raised."""
    if seconds is None:
        work()
        return True
    failed: list[BaseException] = []

    def body() -> None:
        session.addTag(tag)
        try:
            work()
        except BaseException as cause:  # noqa: BLE001  # raised again by the thread that waits: a sys.exit of user code, too
            failed.append(cause)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        session.interruptTag(tag)
        thread.join()
        return False
    if failed:
        raise failed[0]
    return True
