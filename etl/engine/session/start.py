"""The Spark session: an external one, used as it is, or one of ours with a profile for one machine."""

from __future__ import annotations

import atexit
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.object_uris import is_object
from etl.config.spec import SparkSpec
from etl.engine.session import class_data, death, process_state, profile
from etl.engine.session.jars import JARS, LOG_STORE, class_path, readers
from etl.engine.session.java import find_java
from etl.engine.storage.scratch import remove, scratch_folder
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyspark.sql import SparkSession

    from etl.engine.session.class_data import Archive
    from etl.engine.session.death import Death
    from etl.engine.session.gateway import Gateway


@dataclass(slots=True)
class SessionHandle:
    """A session to work in.

    Attributes:
        owned: whether it is ours to end; else it is an external one.
        local: whether its driver and its executors are one process on this machine.
        settings: what each flow's own session is set to beside what is pinned.
    """

    spark: SparkSession
    owned: bool
    local: bool
    settings: tuple[tuple[str, str], ...] = ()
    _gateway: Gateway | None = None
    _scratch: Path | None = None

    def flow_session(
        self, timezone: str, *, secret_options: Sequence[str] = (), under: tuple[str, str] | None = None
    ) -> SparkSession:
        """A session of a flow's own beside the given one: same cluster, its own settings and temporary views.

        `secret_options`: the options of readers that Spark's UI and event log must not show. `under`: the lock, and the run that holds it,
        without which nothing is committed to an object store.
        """
        if not self.owned:
            _teach_files(self.spark)
        session = self.spark.newSession()
        for name, value in (*self.settings, *profile.PINNED.items()):
            session.conf.set(name, value)
        for name in profile.UNSET:
            session.conf.unset(name)
        session.conf.set(profile.TIMEZONE, timezone)
        if under is not None and is_object(under[0]):
            session.conf.set(profile.GUARD_LOCK, under[0])
            session.conf.set(profile.GUARD_RUN, under[1])
        before = session.conf.get(profile.HIDDEN_OPTIONS, "") or ""
        session.conf.set(profile.HIDDEN_OPTIONS, profile.hidden(secret_options, before))
        return session

    def jvm_pid(self) -> int:
        """The driver JVM's process id."""
        return int(self.spark._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped

    def last_words(self) -> str:
        """The last lines that the JVM wrote, in one line; empty where it is not ours."""
        return self._gateway.last_words() if self._gateway is not None else ""

    def death(self, cause: BaseException | None = None) -> Death | None:
        """The death of the session's JVM; None where it lives. `cause`: what was met, by which it may be about to die."""
        return death.of_external(cause) if self._gateway is None else self._gateway.death(cause)

    def close(self) -> None:
        """End the session if it is ours, and wait until its JVM is gone; an external one stays as it is."""
        if self._gateway is None:
            process_state.leave(external=True)
            return
        from etl.engine.session.gateway import forget  # noqa: PLC0415  # it was launched, so pyspark is imported already

        died = self.death() is not None
        try:
            if not died:
                self.spark.stop()
            else:
                forget(self.spark)
        finally:
            self._gateway.end()
            process_state.leave(external=False, died=died)
            if self._scratch is not None:
                remove(self._scratch)


def open_session(spec: SparkSpec, *, storage: str = "", app_name: str, short: bool) -> SessionHandle:
    """The active session, the submitter's, or a new one; `short` tunes a new local one for little data.

    `storage`: where the work is going to be kept. Raises EnvironmentProblem where Java, Delta's jars, or Delta's settings in the
    user's session are missing.
    """
    stored = profile.LOG_STORE if is_object(storage) else {}
    session = _running() or _submitted(spec, app_name, stored)
    if session is not None:
        _must_live()
        _must_know_delta(session)
        _teach_files(session)
        if stored:
            _must_keep_commits_apart(session)
            _must_reach_objects(session)
        process_state.enter(external=True)
        return SessionHandle(session, owned=False, local=False)
    for setting, ours in stored.items():
        _must_be_ours(dict(spec.conf).get(setting, ours), f"take {setting} out of spark.conf in conf/")
    if not _is_local(spec):
        return _reaching(_open_on_cluster(spec, app_name, stored), stored)
    archive = _archive()
    handle = _reaching(_open_local(spec, app_name, archive.use(), short=short, stored=stored), stored)
    if not archive.path.exists():
        atexit.register(class_data.prepare_behind, archive)  # when this process needs the processors no more
    return handle


def _open_on_cluster(spec: SparkSpec, app_name: str, stored: Mapping[str, str]) -> SessionHandle:
    user = dict(spec.conf)
    own_jars = [*map(str, class_path(find_java().program)), *([str(LOG_STORE)] if stored else [])]
    conf = {
        **profile.DELTA,
        **stored,
        **user,
        "spark.jars": ",".join(filter(None, [*own_jars, user.get("spark.jars", "")])),
        "spark.master": str(spec.master),
        "spark.app.name": app_name,
        **_hiding(spec),
    }
    session, gateway = _launch(conf, spec.secret)
    return SessionHandle(session, owned=True, local=False, _gateway=gateway)


def train(work: Callable[[SparkSession], None]) -> None:
    """Make the class-data archive by doing `work` in a session of the local profile; nothing where it is made already."""
    archive = _archive()
    with class_data.alone(archive):
        if archive.path.exists():
            return
        handle = _open_local(SparkSpec(), "twilight training", archive.make(), short=True, stored={})
        try:
            work(handle.flow_session("UTC"))
        finally:
            handle.close()
        archive.keep()


def _archive() -> Archive:
    java = find_java()
    return class_data.archive(java.program, java.version, class_path(java.program))


def _is_local(spec: SparkSpec) -> bool:
    return spec.master is None or spec.master.startswith("local")


def _open_local(
    spec: SparkSpec, app_name: str, archive_options: list[str], *, short: bool, stored: Mapping[str, str]
) -> SessionHandle:
    scratch = scratch_folder("twilight-")
    user = dict(spec.conf)
    java_options = [
        *profile.java_options(short=short),
        *archive_options,
        user.get("spark.driver.extraJavaOptions", ""),
    ]
    paths = [*map(str, class_path(find_java().program)), user.get("spark.driver.extraClassPath", "")]
    settings = profile.local(str(scratch), short=short)
    if stored:
        paths.append(str(LOG_STORE))
        del settings[profile.CHECKPOINT_FILES]  # it is for a file system whose rename replaces what is there
    conf = {
        **profile.DELTA,
        **stored,
        **settings,
        **user,
        "spark.driver.extraClassPath": os.pathsep.join(filter(None, paths)),
        "spark.driver.extraJavaOptions": " ".join(filter(None, java_options)),
        "spark.master": spec.master or "local[*]",
        "spark.app.name": app_name,
        **_hiding(spec),
    }
    # Python functions of the user's run on the driver's Python, with its packages; pyspark takes this from nowhere else.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session, gateway = _launch(conf, spec.secret)
    return SessionHandle(session, owned=True, local=True, _gateway=gateway, _scratch=scratch)


def _hiding(spec: SparkSpec) -> dict[str, str]:
    """What keeps the values of settings that hold secrets out of Spark's UI and event log."""
    pattern = dict(spec.conf).get(profile.HIDDEN_SETTINGS, "")
    return {profile.HIDDEN_SETTINGS: profile.hidden(spec.secret, pattern)}


def _launch(conf: dict[str, str], secret: Sequence[str]) -> tuple[SparkSession, Gateway]:
    from etl.engine.session.gateway import launch  # noqa: PLC0415  # pyspark only for a session that is started

    launched = launch(conf, secret=secret)
    process_state.enter(external=False)
    return launched


def is_running() -> bool:
    """Whether somebody has started a session in this process, whichever thread asks."""
    from pyspark import SparkContext  # noqa: PLC0415  # only a process that has pyspark asks

    return SparkContext._active_spark_context is not None  # noqa: SLF001  # no public way to ask without starting one


def _running() -> SparkSession | None:
    """A session that somebody started in this process; asked from any thread, Spark's own answer is the thread's."""
    if "SPARK_REMOTE" in os.environ:
        raise EnvironmentProblem(
            "Spark Connect is not supported yet (SPARK_REMOTE is set)",
            hint="unset SPARK_REMOTE, or name a master in conf/",
        )
    if "pyspark.sql" not in sys.modules:
        return None
    from pyspark import SparkContext  # noqa: PLC0415  # it is imported already
    from pyspark.sql import SparkSession  # noqa: PLC0415

    if SparkContext._active_spark_context is None:  # noqa: SLF001  # no public way to ask without starting one
        return None
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def _submitted(spec: SparkSpec, app_name: str, stored: Mapping[str, str]) -> SparkSession | None:
    """The session of `spark-submit`, which has started the JVM; its master and settings are the submitter's."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return None
    from pyspark.sql import SparkSession  # noqa: PLC0415  # a command without Spark never comes here

    builder = SparkSession.builder.appName(app_name)
    for name, value in {**profile.DELTA, **stored, **dict(spec.conf)}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _must_live() -> None:
    if death.of_external() is not None:
        raise EnvironmentProblem(
            "the Spark session of this process has no JVM any more: it was killed, or ended by itself",
            hint="restart the process, or the notebook's kernel; pyspark starts no second JVM beside a dead one",
        )


def _must_know_delta(session: SparkSession) -> None:
    packages = f"--packages {JARS[0].group}:{JARS[0].name}:{JARS[0].version}"
    settings = [f"--conf {name}={value}" for name, value in profile.DELTA.items()]
    hint = f"start it with {packages} {' '.join(settings)}; a running session cannot learn it"
    missing = [
        f"{name} is not {value}"
        for name, value in profile.DELTA.items()
        if value not in (session.conf.get(name, "") or "")
    ]
    if missing:
        raise EnvironmentProblem(f"the running Spark session does not know Delta: {', '.join(missing)}", hint=hint)
    if not _has_class(session, profile.DELTA["spark.sql.extensions"]):
        raise EnvironmentProblem("the running Spark session has no Delta jars on its class path", hint=hint)


def _teach_files(session: SparkSession) -> None:
    """Have this thread find our readers of files in a session that was started without them; Spark sends them to its executors, too."""
    if _has_class(session, profile.READER):
        return
    loader = session._jsparkSession.sharedState().jarClassLoader()  # noqa: SLF001  # Spark gives it to the thread alone that adds a jar
    jar = readers()
    if jar.as_uri() not in {url.toString() for url in loader.getURLs()}:
        session.sql(f"ADD JAR '{jar.as_uri()}'")
    threads = session._jvm.java.lang.Thread  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped
    threads.currentThread().setContextClassLoader(loader)
    if not _has_class(session, profile.READER):
        raise EnvironmentProblem(
            "the running Spark session does not know Twilight's readers of files", hint=f"start it with --jars {jar}"
        )


def _must_keep_commits_apart(session: SparkSession) -> None:
    """Of what writes Delta's logs in object stores: that of two commits of one version it takes one, and none of a run without its lock."""
    ((setting, ours),) = profile.LOG_STORE.items()
    hint = f"start it with --jars {LOG_STORE} --conf {setting}={ours}; a running session cannot learn it"
    _must_be_ours(session.sparkContext.getConf().get(setting, "") or "", hint)
    if not _has_class(session, ours):
        raise EnvironmentProblem(f"the running Spark session has no class {ours} on its class path", hint=hint)


def _must_be_ours(log_store: str, hint: str) -> None:
    if log_store not in profile.LOG_STORE.values():
        shown = log_store or "what Delta has by default"
        raise EnvironmentProblem(f"commits to s3a by {shown} would not be kept apart from another machine's", hint=hint)


def _reaching(handle: SessionHandle, stored: Mapping[str, str]) -> SessionHandle:
    """The session, ended where it is to work in an object store and cannot."""
    if stored:
        try:
            _must_reach_objects(handle.spark)
        except BaseException:
            handle.close()
            raise
    return handle


def _must_reach_objects(session: SparkSession) -> None:
    """EnvironmentProblem where the session lacks Hadoop's access to S3: it would be tried again and again, in vain."""
    if not _has_class(session, "org.apache.hadoop.fs.s3a.S3AFileSystem"):
        version = session._jvm.org.apache.hadoop.util.VersionInfo.getVersion()  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped
        raise EnvironmentProblem(
            "storage is in s3a, and the Spark session has no Hadoop S3A on its class path",
            hint=f"say spark.jars.packages: org.apache.hadoop:hadoop-aws:{version} under spark.conf in conf/",
        )


def _has_class(session: SparkSession, name: str) -> bool:
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415  # pyspark is imported already

    threads = session._jvm.java.lang.Thread  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped
    try:
        threads.currentThread().getContextClassLoader().loadClass(name)
    except Py4JJavaError:
        return False
    return True
