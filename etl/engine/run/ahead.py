"""What the next epoch of a flow would wait for, done while nothing has arrived."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.schema.identifiers import quoted
from etl.engine.metadata.delta_log import log_versions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.places import place
from etl.errors import EtlError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.session.shared import Sessions

_POOL = "ahead"
_LITTLE_BYTES = 4 * 1024 * 1024
_LITTLE_LOG = {
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""For a log of a few files, over which no generated code pays for its compilation: half of the processor time."""


class ReadyTables:
    """The tables of a run's flows of whose newest version Delta has the whole state. For one thread at a time.

    A MERGE asks for the number of the table's files, and a commit under a transaction id for the ids where Delta could not be told them
    (`session/known_transactions`); for either Delta reads the log since its last checkpoint in two jobs. The state belongs to the
    version, in the JVM's memory, whoever had it computed.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._versions: dict[str, int] = {}

    def make_ready(self, spec: PipelineSpec, flow: FlowSpec, stop: threading.Event) -> None:
        """Have the state of the flow's tables computed where they have a new version; nothing without a session, or once `stop` is set.

        It only saves time: where it fails, the next epoch meets the cause, if that is still there, and tells it.
        """
        if not self._sessions.at_hand():
            return
        from py4j.protocol import Py4JError  # noqa: PLC0415  # there is a session, so pyspark is imported already
        from pyspark.errors import PySparkException  # noqa: PLC0415  # likewise

        try:
            for table, version in self._unready(FlowPaths.of(spec, flow)):
                if stop.is_set():
                    return
                self._compute_state(table, stop)
                self._versions[table] = version
        except (EtlError, PySparkException, Py4JError, OSError):
            return  # nothing is ready, as before

    def _unready(self, paths: FlowPaths) -> Iterator[tuple[str, int]]:
        """The flow's tables that have another version than the one that is ready, each with that."""
        for table in (paths.target, paths.quarantine, paths.state):
            newest = max(log_versions(table), default=-1)
            if newest >= 0 and self._versions.get(table) != newest:
                yield table, newest

    def _compute_state(self, table: str, stop: threading.Event) -> None:
        handle = self._sessions.get(stop=stop)
        session = handle.flow_session("UTC")
        for setting, value in (_LITTLE_LOG if handle.local and _is_little(table) else {}).items():
            session.conf.set(setting, value)
        with handle.in_pool(_POOL):
            session.sql(f"DESCRIBE DETAIL delta.{quoted(table)}").collect()


def _is_little(table: str) -> bool:
    """Whether the checkpoints of a local table's log are small, and so is what Delta reads of it."""
    log = place(table, "_delta_log")
    return isinstance(log, Path) and all(file.stat().st_size < _LITTLE_BYTES for file in log.glob("*.parquet"))
