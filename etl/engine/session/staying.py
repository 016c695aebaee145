"""The JVM of a session that stays: a door for each command, and everything of a command's taken out of it when that has ended.

What a command may leave behind in a JVM is known by name: it is stopped, dropped or cleared here. Where something is left that cannot be put
back (a jar on the class path, a setting of Hadoop's, a time zone), `recover` says so, and the JVM is of no more use.
"""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from etl.engine.session.attached import Offer
from etl.engine.session.death import kills_by_the_system
from etl.engine.storage.holder import started

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.spec import SparkSpec

_DEFAULT_DATABASE = "default"


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is the same before and after each command, or else a command has changed it for good."""

    jars: int
    files: int
    hadoop: int
    properties: int
    zone: str
    locale: str


class StayingSession:
    """A JVM and its session, for one command after the other."""

    def __init__(self, spec: SparkSpec, *, storage: str, folder: Path) -> None:
        """`folder`: where the JVM's output and, at its end, its exit code are put.

        Raises EnvironmentProblem where the session cannot be had.
        """
        from etl.engine.session.start import open_to_stay  # noqa: PLC0415  # pyspark only where a session is started

        output, exit_file = folder / "jvm.log", folder / "jvm.exit"
        exit_file.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
        self._handle, conf, scratch = open_to_stay(spec, storage=storage, output=output)
        self._output = output
        spark = self._handle.spark
        self._jvm = cast("Any", spark._jvm)  # noqa: SLF001  # all that a command leaves lies behind what pyspark has names for
        self._java: Any = spark._jsc  # noqa: SLF001  # see above
        self._session: Any = spark._jsparkSession  # noqa: SLF001  # see above
        self._packages = self._jvm.org.apache.spark
        self._door: Any = None
        pid = self._handle.jvm_pid()
        self._offer = Offer(
            conf=conf,
            scratch=str(scratch),
            port=0,
            secret="",
            pid=pid,
            start=started(pid) or "",
            output=str(output),
            exit_file=str(exit_file),
            kills=kills_by_the_system(),
            variables=tuple(os.environ),
        )
        self._listeners = list(self._java.sc().listenerBus().listeners())
        self._in_memory = spark.conf.get("spark.sql.catalogImplementation") == "in-memory"
        self._mark = self._look()

    @property
    def pid(self) -> int:
        """The JVM's process id."""
        return self._offer.pid

    def when_it_ends(self, tell: Callable[[int], None]) -> None:
        """Have `tell` called with the JVM's exit code, once it has ended and the code stands in the file."""
        gateway = self._handle._gateway  # noqa: SLF001  # the process is this room's and its neighbour's
        process: Any = gateway.process if gateway is not None else None

        def wait() -> None:
            code = process.wait()
            draft = Path(f"{self._offer.exit_file}.draft")
            draft.write_text(str(code), encoding="ascii")
            draft.replace(self._offer.exit_file)
            tell(code)

        threading.Thread(target=wait, daemon=True).start()

    def open(self) -> Offer:
        """A door for the next command: a server of py4j with a secret and objects of its own."""
        self._door = self._packages.api.python.Py4JServer(self._java.sc().conf())
        self._door.start()
        return replace(self._offer, port=int(self._door.getListeningPort()), secret=str(self._door.secret()))

    def recover(self) -> str:
        """Close the command's door, and take everything of it out of the JVM; what is left of it for good, in words, or nothing."""
        self._door.shutdown()
        shared = self._session.sharedState()
        self._stop_streams(shared)
        self._java.sc().cancelAllJobs()
        self._clear_caches(shared)
        if self._in_memory:
            self._drop_tables(shared.externalCatalog())
        shared.globalTempViewManager().clear()
        self._stop_python_workers()
        self._forget_listeners()
        self._packages.sql.classic.SparkSession.setDefaultSession(self._session)
        for left in Path(self._offer.scratch).glob("spark-*/pyspark-*"):
            shutil.rmtree(left, ignore_errors=True)
        os.truncate(self._output, 0)
        now = self._look()
        return ", ".join(name for name in _Mark.__slots__ if getattr(now, name) != getattr(self._mark, name))

    def collect(self) -> None:
        """Have the JVM collect its garbage, and Spark the files of what is gone: for a moment in which nobody waits."""
        self._jvm.java.lang.System.gc()

    def close(self) -> None:
        """End the JVM."""
        self._handle.close()

    def _stop_streams(self, shared: Any) -> None:
        for query in list(shared.activeStreamingQueries().values()):
            query.stop()
        self._packages.sql.execution.streaming.state.StateStore.stop()

    def _clear_caches(self, shared: Any) -> None:
        shared.cacheManager().clearCache()
        for frame in list(self._java.getPersistentRDDs().values()):
            frame.unpersist(False)  # noqa: FBT003  # py4j knows no names
        self._packages.sql.delta.DeltaLog.clearCache()
        self._jvm.org.apache.hadoop.fs.FileSystem.closeAll()  # they keep the credentials that they were opened with

    def _drop_tables(self, catalog: Any) -> None:
        """Forget what is registered in a catalog that a new session would find empty; the data stays where it is, outside the scratch folder."""
        for database in _texts(catalog.listDatabases()):
            if database != _DEFAULT_DATABASE:
                catalog.dropDatabase(database, True, True)  # noqa: FBT003  # py4j knows no names
                continue
            for table in _texts(catalog.listTables(database)):
                catalog.dropTable(database, table, True, False)  # noqa: FBT003  # see above
            for function in _texts(catalog.listFunctions(database, "*")):
                catalog.dropFunction(database, function)

    def _stop_python_workers(self) -> None:
        """End the processes that ran Python functions: they may have imported what the next command has changed."""
        environment = self._packages.SparkEnv.get()
        field = environment.getClass().getDeclaredField("pythonWorkers")
        field.setAccessible(True)  # py4j knows no names
        workers = field.get(environment)
        for factory in list(self._jvm.scala.jdk.javaapi.CollectionConverters.asJava(workers).values()):
            factory.stop()
        workers.clear()

    def _forget_listeners(self) -> None:
        bus = self._java.sc().listenerBus()
        for listener in list(bus.listeners()):
            if listener not in self._listeners:
                bus.removeListener(listener)

    def _look(self) -> _Mark:
        shared, spark, java = self._session.sharedState(), self._java.sc(), self._jvm.java
        return _Mark(
            jars=len(shared.jarClassLoader().getURLs()),
            files=int(spark.listFiles().size()) + int(spark.listJars().size()),
            hadoop=int(spark.hadoopConfiguration().getPropsWithPrefix("").hashCode()),
            properties=int(java.lang.System.getProperties().hashCode()),
            zone=str(java.util.TimeZone.getDefault().getID()),
            locale=str(java.util.Locale.getDefault().toString()),
        )


def _texts(found: Any) -> list[str]:
    """The elements of a Scala sequence."""
    return [str(found.apply(number)) for number in range(found.size())]
