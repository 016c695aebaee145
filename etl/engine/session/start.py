"""The Spark session: an external one, used as it is, or one of ours with a profile for one machine."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.object_uris import is_object
from etl.config.spec import SparkSpec
from etl.engine.session import attached, class_data, death, process_state, profile
from etl.engine.session.jars import LOG_STORE, class_path
from etl.engine.session.java import find_java
from etl.engine.session.requirements import (
    must_be_ours,
    must_keep_commits_apart,
    must_know_delta,
    must_live,
    must_reach_objects,
    teach_files,
)
from etl.engine.storage.scratch import remove, scratch_folder
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyspark.sql import SparkSession

    from etl.engine.session.class_data import Archive
    from etl.engine.session.death import Death
    from etl.engine.session.gateway import Gateway

_POOL = "spark.scheduler.pool"


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
            teach_files(self.spark)
        session = self.spark.newSession()
        unsaid = [item for item in profile.COMMITS.items() if session.conf.get(item[0], None) is None]
        for name, value in (*unsaid, *self.settings, *profile.PINNED.items()):
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

    @contextmanager
    def in_pool(self, name: str) -> Iterator[None]:
        """Within it the jobs that this thread starts, and those of queries that it starts, share the cores fairly with those of other names.

        Only where Spark's scheduler is fair, as that of the local profile is.
        """
        from py4j.protocol import Py4JError  # noqa: PLC0415  # there is a session, so it is imported already

        threads = self.spark.sparkContext
        before = threads.getLocalProperty(_POOL)
        threads.setLocalProperty(_POOL, name)
        try:
            yield
        finally:
            with suppress(Py4JError, OSError):  # a JVM that is gone has no pools
                threads.setLocalProperty(_POOL, before)  # type: ignore[arg-type]  # None: as it was, in none

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
            if died or self._gateway.stays:
                forget(self.spark)
            else:
                self.spark.stop()
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
        must_live()
        must_know_delta(session)
        teach_files(session)
        if stored:
            must_keep_commits_apart(session)
            must_reach_objects(session)
        process_state.enter(external=True)
        return SessionHandle(session, owned=False, local=False, settings=attached.settings())
    for setting, ours in stored.items():
        must_be_ours(dict(spec.conf).get(setting, ours), f"take {setting} out of spark.conf in conf/")
    if not _is_local(spec):
        return _reaching(_open_on_cluster(spec, app_name, stored), stored)
    at_hand = _attached(spec, short=short, stored=stored)
    if at_hand is not None:
        return _reaching(at_hand, stored)
    archive = _archive() if spec.class_data_archive and not class_data.is_off() else None
    options = archive.use() if archive is not None else []
    handle = _reaching(_open_local(spec, app_name, options, short=short, stored=stored), stored)
    if archive is not None and not archive.path.exists():
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


def open_to_stay(spec: SparkSpec, *, storage: str, output: Path) -> tuple[SessionHandle, dict[str, str], Path]:
    """A new local session that one command after the other works in, its settings, and its scratch folder; much data is none too much for it.

    `output`: the file of what its JVM writes. Raises EnvironmentProblem as `open_session` does, and where the session is to be elsewhere.
    """
    if not _is_local(spec):
        raise EnvironmentProblem(
            f"a session that stays is one on this machine, and spark.master is {spec.master}",
            hint="take master out of spark: in conf/; without such a session commands start Spark themselves",
        )
    user = dict(spec.conf)
    if user.get("spark.eventLog.enabled", "").lower() == "true":
        raise EnvironmentProblem(
            "spark.eventLog.enabled asks for an event log for each command, and a session that stays has one for all",
            hint="take it out of spark.conf in conf/, or do without `etl warm`",
        )
    stored = profile.LOG_STORE if is_object(storage) else {}
    for setting, ours in stored.items():
        must_be_ours(user.get(setting, ours), f"take {setting} out of spark.conf in conf/")
    archive = _archive() if spec.class_data_archive and not class_data.is_off() else None
    scratch = scratch_folder("twilight-")

    def conf(options: Sequence[str]) -> dict[str, str]:
        return local_conf(spec, attached.APP_NAME, options, str(scratch), short=False, stored=stored)

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # see _open_local
    started = {**profile.FORGETFUL, **conf(archive.use() if archive is not None else [])}
    session, gateway = _launch(started, spec.secret, output)
    handle = SessionHandle(session, owned=True, local=True, _gateway=gateway, _scratch=scratch)
    return _reaching(handle, stored), conf([]), scratch


def _attached(spec: SparkSpec, *, short: bool, stored: Mapping[str, str]) -> SessionHandle | None:
    """A session in the JVM that stays, where this process was offered one with the same profile; else None."""
    offer = attached.offered()
    if offer is None:
        return None

    def conf(*, little: bool) -> dict[str, str]:
        return local_conf(spec, attached.APP_NAME, [], offer.scratch, short=little, stored=stored)

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # see _open_local
    found = attached.attach(offer, as_started=conf(little=False), wanted=conf(little=short))
    if found is None:
        return None
    session, gateway, settings = found
    process_state.enter(external=False)
    return SessionHandle(session, owned=True, local=True, settings=settings, _gateway=gateway)


def train(work: Callable[[SparkSession], None]) -> None:
    """Make the class-data archive by doing `work` in a session of the local profile; nothing where it is made already."""
    archive = _archive()
    with class_data.alone(archive):
        if archive.path.exists():
            return
        class_data.must_have_room(archive)
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
    conf = local_conf(spec, app_name, archive_options, str(scratch), short=short, stored=stored)
    # Python functions of the user's run on the driver's Python, with its packages; pyspark takes this from nowhere else.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session, gateway = _launch(conf, spec.secret)
    return SessionHandle(session, owned=True, local=True, _gateway=gateway, _scratch=scratch)


def local_conf(
    spec: SparkSpec,
    app_name: str,
    archive_options: Sequence[str],
    scratch: str,
    *,
    short: bool,
    stored: Mapping[str, str],
) -> dict[str, str]:
    """All settings of a new session of ours on this machine; `stored`: those for an object store, where the work is kept in one."""
    user = dict(spec.conf)
    java_options = [
        *profile.java_options(short=short),
        *archive_options,
        user.get("spark.driver.extraJavaOptions", ""),
    ]
    paths = [*map(str, class_path(find_java().program)), user.get("spark.driver.extraClassPath", "")]
    settings = profile.local(scratch, short=short)
    if stored:
        paths.append(str(LOG_STORE))
        del settings[profile.CHECKPOINT_FILES]  # it is for a file system whose rename replaces what is there
    return {
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


def _hiding(spec: SparkSpec) -> dict[str, str]:
    """The setting that keeps the values of settings that hold secrets out of Spark's UI and event log."""
    pattern = dict(spec.conf).get(profile.HIDDEN_SETTINGS, "")
    return {profile.HIDDEN_SETTINGS: profile.hidden(spec.secret, pattern)}


def _launch(conf: dict[str, str], secret: Sequence[str], output: Path | None = None) -> tuple[SparkSession, Gateway]:
    from etl.engine.session.gateway import launch  # noqa: PLC0415  # pyspark only for a session that is started

    launched = launch(conf, secret=secret, output=output)
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


def _reaching(handle: SessionHandle, stored: Mapping[str, str]) -> SessionHandle:
    """The session, ended where it is to work in an object store and cannot."""
    if stored:
        try:
            must_reach_objects(handle.spark)
        except BaseException:
            handle.close()
            raise
    return handle
