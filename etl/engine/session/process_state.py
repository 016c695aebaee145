"""What a run borrows of the process it works in, and gives back: who the active session is, and what pyspark logs."""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_SPARKS_LOGS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
_LOCK = threading.Lock()


@dataclass(slots=True)
class _Loans:
    """The runs that are going on in this process, and what they found."""

    runs: int = 0
    guests: int = 0  # of them, those in a session of the user's
    active: SparkSession | None = field(default=None, repr=False)
    servers: list[Any] = field(default_factory=list)  # of accumulators, that tell of no JVM that died


_LOANS = _Loans()


def borrow(*, guest: bool) -> None:
    """Begin a run; `guest`: in a session of the user's, whose place as the active one is remembered."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # there is a session, so it is imported already

    with _LOCK:
        if guest and _LOANS.guests == 0:
            _LOANS.active = SparkSession._activeSession  # noqa: SLF001  # the public way answers for one thread only
        if _LOANS.runs == 0:
            for log in _logs():
                log.addFilter(_hushed)
            logging.getLogger().addFilter(_not_py4j)
        _LOANS.servers.append(_hush_accumulators())
        _LOANS.runs += 1
        _LOANS.guests += guest


def give_back(*, guest: bool, died: bool = False) -> None:
    """End a run. `createDataFrame`, in a source or a user's transform, makes its session active for the whole process.

    `died`: with its JVM. What py4j's threads have yet to log of that stays hushed, until a later run ends in good order.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415  # see borrow

    with _LOCK:
        _LOANS.runs -= 1
        if _LOANS.runs == 0 and not died:
            for log in _logs():
                log.removeFilter(_hushed)
            logging.getLogger().removeFilter(_not_py4j)
            while _LOANS.servers:
                vars(_LOANS.servers.pop()).pop("handle_error", None)
        if guest:
            _LOANS.guests -= 1
            SparkSession._activeSession = _LOANS.active  # noqa: SLF001  # see borrow
            _LOANS.active = _LOANS.active if _LOANS.guests else None


def _hush_accumulators() -> Any:
    """Keep pyspark's server of accumulators from printing a traceback when the JVM that is connected to it dies; the server."""
    from pyspark import SparkContext  # noqa: PLC0415  # see borrow

    server: Any = SparkContext._active_spark_context._accumulatorServer  # type: ignore[union-attr]  # noqa: SLF001  # there is no public way
    server.handle_error = partial(_without_traceback, server)
    return server


def _without_traceback(server: Any, request: Any, address: Any) -> None:
    """What is told of a connection that failed: nothing where it was lost, since the run says what became of the JVM."""
    if not isinstance(sys.exception(), ConnectionError | EOFError):
        type(server).handle_error(server, request, address)


def _logs() -> list[logging.Logger]:
    """The logs that are hushed. Spark's are of a class of its own: made by another, they fail where Spark tells of a wrong query."""
    from pyspark.logger import PySparkLogger  # noqa: PLC0415  # see borrow

    return [*map(PySparkLogger.getLogger, _SPARKS_LOGS), logging.getLogger("py4j.clientserver")]


def _not_py4j(record: logging.LogRecord) -> bool:
    """Whether a record of the root logger is not py4j's, which shows the whole stack where it finds no JVM any more."""
    return "py4j" not in record.pathname


def _hushed(record: logging.LogRecord) -> bool:  # noqa: ARG001  # a filter's signature
    """Nothing passes: they log a failed query's plan and whole stack, secrets among it; the run's result says it translated."""
    return False
