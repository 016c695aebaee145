"""The state of the process that a run changes and puts back at its end: the active session, and what pyspark logs."""

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
class _State:
    """The runs that are going on in this process, and what they found in it.

    Attributes:
        external_runs: of them, those in an external session: one of the user's.
        active: the session that was active when the first of those began.
        servers: pyspark's servers of accumulators that are hushed.
    """

    runs: int = 0
    external_runs: int = 0
    active: SparkSession | None = field(default=None, repr=False)
    servers: list[Any] = field(default_factory=list)


_STATE = _State()


def external_runs() -> int:
    """The number of runs of this process that work in an external session now."""
    return _STATE.external_runs


def enter(*, external: bool) -> None:
    """Begin a run. `external`: in a session of the user's, which becomes the active one again when it ends."""
    from pyspark.sql import SparkSession  # noqa: PLC0415  # there is a session, so it is imported already

    with _LOCK:
        if external and _STATE.external_runs == 0:
            _STATE.active = SparkSession._activeSession  # noqa: SLF001  # the public way answers for one thread only
        if _STATE.runs == 0:
            for log in _logs():
                log.addFilter(_hushed)
            logging.getLogger().addFilter(_not_py4j)
        _STATE.servers.append(_hush_accumulators())
        _STATE.runs += 1
        _STATE.external_runs += external


def activate(session: SparkSession) -> None:
    """Make a flow's session the active one: for Spark in this thread, for pyspark, as it keeps it, in the whole process.

    Texts of schemas are read under its settings, and code of the user's finds it, unless another flow of the process has made its own
    active meanwhile. `leave` puts the user's own back for pyspark.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415  # see enter

    SparkSession._activeSession = session  # noqa: SLF001  # the public ways make a session, or data
    session._jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(session._jsparkSession)  # type: ignore[union-attr]  # noqa: SLF001  # likewise


def leave(*, external: bool, died: bool = False) -> None:
    """End a run, whose sessions were made active for the whole process, by `activate` or a user's `createDataFrame`.

    `died`: with its JVM. What py4j's threads have yet to log of that stays hushed, until a later run ends in good order.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415  # see enter

    with _LOCK:
        _STATE.runs -= 1
        if _STATE.runs == 0 and not died:
            for log in _logs():
                log.removeFilter(_hushed)
            logging.getLogger().removeFilter(_not_py4j)
            while _STATE.servers:
                vars(_STATE.servers.pop()).pop("handle_error", None)
        if external:
            _STATE.external_runs -= 1
            SparkSession._activeSession = _STATE.active  # noqa: SLF001  # see enter
            _STATE.active = _STATE.active if _STATE.external_runs else None


def _hush_accumulators() -> Any:
    """The server of accumulators of pyspark, kept from printing a traceback when the JVM that is connected to it dies."""
    from pyspark import SparkContext  # noqa: PLC0415  # see enter

    server: Any = SparkContext._active_spark_context._accumulatorServer  # type: ignore[union-attr]  # noqa: SLF001  # there is no public way
    server.handle_error = partial(_without_traceback, server)
    return server


def _without_traceback(server: Any, request: Any, address: Any) -> None:
    """Print a connection's error, unless the connection was lost: what became of the JVM stands in the run's result."""
    if not isinstance(sys.exception(), ConnectionError | EOFError):
        type(server).handle_error(server, request, address)


def _logs() -> list[logging.Logger]:
    """The logs that are hushed. Spark's are of a class of its own: made by another, they fail where Spark tells of a wrong query."""
    from pyspark.logger import PySparkLogger  # noqa: PLC0415  # see enter

    return [*map(PySparkLogger.getLogger, _SPARKS_LOGS), logging.getLogger("py4j.clientserver")]


def _not_py4j(record: logging.LogRecord) -> bool:
    """Whether a record of the root logger is not py4j's, which shows the whole stack where it finds no JVM any more."""
    return "py4j" not in record.pathname


def _hushed(record: logging.LogRecord) -> bool:  # noqa: ARG001  # a filter's signature
    """Let no record pass: they hold a failed query's plan and whole stack, secrets among it; the run's result has it translated."""
    return False
