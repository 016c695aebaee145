"""The Spark session: the user's own, used as it is, or one of ours with a profile for one machine.

The only rooms that touch the JVM are this one and its neighbours `session_*`. None of the local profile reaches a cluster.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.session_archive import Archive, archive
from etl.engine.session_jars import JARS, jars
from etl.engine.session_java import find_java
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

    from etl.config.spec import SparkSpec

_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
_PINNED = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    # Whether a row is malformed must not depend on which of its columns a query asks for.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # A target's schema is what its transform returns, never what a later write happens to bring.
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
    # Delta's parser does not pass `:name` markers on to Spark 4.2's way of substituting them; the older way binds them.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}


@dataclass(slots=True)
class SessionHandle:
    """A session to work in, and whether it is ours to end."""

    spark: SparkSession
    owned: bool
    local: bool
    _archive: Archive | None = None

    def flow_session(self, timezone: str) -> SparkSession:
        """A session of a flow's own beside the given one: same cluster, its own settings and temporary views."""
        session = self.spark.newSession()
        for name, value in _PINNED.items():
            session.conf.set(name, value)
        session.conf.set("spark.sql.session.timeZone", timezone)
        return session

    def jvm_pid(self) -> int:
        """The driver JVM's process id."""
        return int(self.spark._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped

    def close(self) -> None:
        """End the session if it is ours, and wait until its JVM is gone; a user's session is left as it is."""
        if not self.owned:
            return
        from pyspark import SparkContext  # noqa: PLC0415  # a command without Spark never comes here

        self.spark.stop()
        gateway = SparkContext._gateway  # noqa: SLF001  # pyspark offers no public way to end the JVM it started
        if gateway is None:
            return
        process = getattr(gateway, "proc", None)
        gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001
        if process is not None:
            process.stdin.close()  # the JVM's sign to go
            code = process.wait()
            if self._archive is not None:
                self._archive.keep() if code == 0 else self._archive.discard()


def open_session(spec: SparkSpec, *, app_name: str, short: bool) -> SessionHandle:
    """The active session, the submitter's, or a new one; `short` tunes a new local one for little data.

    Raises EnvironmentProblem where Java, Delta's jars, or Delta's settings in the user's session are missing.
    """
    active = _active()
    if active is not None:
        _must_know_delta(active)
        return SessionHandle(active, owned=False, local=False)
    if "PYSPARK_GATEWAY_PORT" in os.environ or "SPARK_REMOTE" in os.environ:
        submitted = _build({**_delta(), **dict(spec.conf)}, app_name, spec.master)
        _must_know_delta(submitted)
        return SessionHandle(submitted, owned=False, local=False)
    java = find_java()
    if spec.master is not None and not spec.master.startswith("local"):
        conf = {**_delta(), "spark.jars": ",".join(map(str, jars(java.program))), **dict(spec.conf)}
        return SessionHandle(_launch(conf, app_name, spec.master), owned=True, local=False)
    return _open_local(spec, java.program, java.version, app_name, short=short)


def _open_local(spec: SparkSpec, java: str, java_version: str, app_name: str, *, short: bool) -> SessionHandle:
    class_path = jars(java)
    # The serial collector and the first compiler start faster; on millions of rows they cost more than they save.
    tuning = [
        "-XX:ReservedCodeCacheSize=256m",
        *(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if short else ["-XX:+UseParallelGC"]),
    ]
    user_java = dict(spec.conf).get("spark.driver.extraJavaOptions", "")
    found = archive(java_version, class_path, [*tuning, user_java])
    log = Path(__file__).with_name("log4j2.properties")
    options = [*tuning, *found.options(), f"-Dlog4j2.configurationFile={log}", user_java]
    scratch = tempfile.mkdtemp(prefix="twilight-")
    atexit.register(_remove, scratch)
    conf = {
        **_delta(),
        **_local_profile(scratch),
        **dict(spec.conf),
        "spark.driver.extraClassPath": os.pathsep.join(map(str, class_path)),
        "spark.driver.extraJavaOptions": " ".join(option for option in options if option),
    }
    # pyspark prints each failed call with its whole stack; the failure is translated and shown once.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    session = _launch(conf, app_name, spec.master or "local[*]")
    return SessionHandle(session, owned=True, local=True, _archive=None if found.path.exists() else found)


def _delta() -> dict[str, str]:
    return {"spark.sql.extensions": _EXTENSION, "spark.sql.catalog.spark_catalog": _CATALOG}


def _local_profile(scratch: str) -> dict[str, str]:
    """Settings for one machine, each worth tenths of a second a commit or seconds a start; measured in docs/performance.md."""
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "3g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": "2",
        "spark.default.parallelism": "2",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.databricks.delta.stats.skipping": "true",
        "spark.sql.streaming.numRecentProgressUpdates": "10",
        # pip's pyspark has no libhadoop, so Hadoop's own local file system starts a process for each metadata file.
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
        "spark.sql.streaming.checkpointFileManagerClass": (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
    }


def _launch(conf: dict[str, str], app_name: str, master: str) -> SparkSession:
    """Start a JVM with its chatter kept from the terminal; where it dies at once, its last words are in the message."""
    with tempfile.TemporaryFile() as chatter:
        try:
            with _stderr_into(chatter):
                return _build(conf, app_name, master)
        except Exception as cause:
            chatter.seek(0)
            said = [line for line in chatter.read().decode(errors="replace").splitlines() if line.strip()]
            last = " | ".join(said[-5:]) or str(cause)
            message = f"Spark could not be started: {last}"
            raise EnvironmentProblem(message, hint="`etl doctor` looks at Java, the jars and the storage") from cause


def _build(conf: dict[str, str], app_name: str, master: str | None) -> SparkSession:
    from pyspark.sql import SparkSession  # noqa: PLC0415  # a command without Spark never comes here

    builder: Any = SparkSession.builder.appName(app_name)
    if master is not None:
        builder = builder.master(master)
    for name, value in conf.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()  # type: ignore[no-any-return]  # pyspark's builder is typed as a property of itself


def _active() -> SparkSession | None:
    if "pyspark" not in sys.modules:
        return None
    from pyspark import SparkContext  # noqa: PLC0415  # it is imported already
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # "Active" is said of a thread, and flows have threads of their own: what counts is that the process has a context.
    if SparkContext._active_spark_context is None:  # noqa: SLF001  # pyspark offers no public way to ask without starting one
        return None
    builder: Any = SparkSession.builder
    return builder.getOrCreate()  # type: ignore[no-any-return]  # see _build


def _must_know_delta(session: SparkSession) -> None:
    missing = [f"{name}={value}" for name, value in _delta().items() if value not in (session.conf.get(name, "") or "")]
    if missing:
        packages = ",".join(f"{jar.group}:{jar.name}:{jar.version}" for jar in JARS[:1])
        raise EnvironmentProblem(
            f"the running Spark session does not know Delta: {', '.join(missing)} is not set",
            hint=f"start it with --packages {packages} and --conf {' --conf '.join(missing)}; a running session cannot learn it",
        )


@contextlib.contextmanager
def _stderr_into(file: Any) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _remove(folder: str) -> None:
    import shutil  # noqa: PLC0415  # at exit only

    shutil.rmtree(folder, ignore_errors=True)
