"""Work of Spark's that may take so long and no longer."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from etl.errors import FlowFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec

_AGAIN_S = 1.0


def timed_out(flow: FlowSpec) -> FlowFailed:
    """What is raised where a flow has used its `retry.timeout` up."""
    return FlowFailed(
        f"flow '{flow.name}' took longer than its timeout of {flow.retry.timeout:g} seconds",
        where=str(flow.at),
        hint="raise retry.timeout, or say retry_on_timeout: true",
        transient=flow.retry.retry_on_timeout,
    )


def deadline_of(flow: FlowSpec) -> float:
    """When, by `time.monotonic`, a flow that begins now has used its timeout up; never where it has none."""
    return time.monotonic() + flow.retry.timeout if flow.retry.timeout is not None else float("inf")


def within_timeout(flow: FlowSpec, work: Callable[[], object], session: SparkSession) -> None:
    """Do the flow's work. Raises what it raises, and FlowFailed where it takes too long: all that its own session does is interrupted then."""
    if flow.retry.timeout is None:
        work()
        return
    failures: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as cause:  # noqa: BLE001  # raised again by the thread that waits: a sys.exit of user code, too
            failures.append(cause)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(flow.retry.timeout)
    if thread.is_alive():
        while thread.is_alive():
            session.interruptAll()  # not by a tag, which is known to the thread that gave it alone (Spark 4.2)
            thread.join(_AGAIN_S)  # a job that was planned before may begin only now
        raise timed_out(flow)
    if failures:
        raise failures[0]
