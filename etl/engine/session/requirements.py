"""The requirements of a session, checked before it is worked in: a JVM, Delta, our readers of files, our log store and Hadoop's access to S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.session import death, profile
from etl.engine.session.jars import JARS, LOG_STORE, readers
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def must_live() -> None:
    """Raise EnvironmentProblem where the JVM of this process's session is gone."""
    if death.of_external() is not None:
        raise EnvironmentProblem(
            "the Spark session of this process has no JVM any more: it was killed, or ended by itself",
            hint="restart the process, or the notebook's kernel; pyspark starts no second JVM beside a dead one",
        )


def must_know_delta(session: SparkSession) -> None:
    """Raise EnvironmentProblem where a session lacks Delta's settings or its jars."""
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


def teach_files(session: SparkSession) -> None:
    """Have this thread find our readers of files in a session that was started without them; Spark sends them to its executors, too.

    Raises EnvironmentProblem where it does not.
    """
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


def must_keep_commits_apart(session: SparkSession) -> None:
    """Raise EnvironmentProblem unless our log store writes Delta's logs in object stores: of two commits of one version it takes one."""
    ((setting, ours),) = profile.LOG_STORE.items()
    hint = f"start it with --jars {LOG_STORE} --conf {setting}={ours}; a running session cannot learn it"
    must_be_ours(session.sparkContext.getConf().get(setting, "") or "", hint)
    if not _has_class(session, ours):
        raise EnvironmentProblem(f"the running Spark session has no class {ours} on its class path", hint=hint)


def must_be_ours(log_store: str, hint: str) -> None:
    """Raise EnvironmentProblem, with that hint, for the class of a log store that is another one."""
    if log_store not in profile.LOG_STORE.values():
        shown = log_store or "what Delta has by default"
        raise EnvironmentProblem(f"commits to s3a by {shown} would not be kept apart from another machine's", hint=hint)


def must_reach_objects(session: SparkSession) -> None:
    """Raise EnvironmentProblem where the session lacks Hadoop's access to S3: it would be tried again and again, in vain."""
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
