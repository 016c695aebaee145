"""What the log store does with a real S3 API: `python -m tests.support.log_store_races ENDPOINT URI` tries it, and prints what came of it as JSON.

A process of its own, since a session learns its log store when it starts.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JJavaError
from pyspark.sql.functions import lit

from etl.config.spec import SparkSpec
from etl.engine.session.profile import GUARD_LOCK, GUARD_RUN
from etl.engine.session.start import open_session
from etl.engine.storage.holder import LockHolder
from tests.conftest import LITTLE_DATA
from tests.support.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import S3Store
    from pyspark.sql import SparkSession

HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.5.0"
CONDITIONAL = "fs.option.create.conditional.overwrite"
ROUNDS, RIVALS, RENEWED = 12, 6, 30
APPENDERS, APPENDS, ONCE = 4, 3, 3


@dataclass(frozen=True, slots=True)
class Bench:
    """A session, the bucket it works in, and the log store by itself."""

    server: S3
    uri: str
    spark: SparkSession

    @property
    def jvm(self) -> Any:
        return self.spark._jvm  # noqa: SLF001  # the store has no way in from Python

    @property
    def hadoop(self) -> Any:
        return self.spark.sparkContext._jsc.hadoopConfiguration()  # noqa: SLF001  # likewise

    def path(self, name: str) -> Any:
        return self.jvm.org.apache.hadoop.fs.Path(f"{self.uri}/{name}")

    def file_system(self) -> Any:
        return self.path("x").getFileSystem(self.hadoop)

    def write(self, name: str, *lines: str, overwrite: bool = False, conf: Any = None) -> str:
        """Write a version as Delta does; the class of what was thrown, empty where it was taken."""
        given = self.hadoop if conf is None else conf
        actions = self.jvm.java.util.ArrayList()
        for line in lines:
            actions.add(line)
        store = self.jvm.twilight.storage.ConditionalLogStore(self.hadoop)
        return thrown_by(lambda: store.write(self.path(name), actions.iterator(), overwrite, given))

    def client(self) -> S3Store:
        """The bucket by another way than Hadoop's."""
        return self.server.client(self.uri.removeprefix("s3a://"))

    def text(self, name: str) -> str:
        """What is there, as the server has it."""
        return self.client().get(name).bytes().to_bytes().decode()

    def put(self, name: str, text: str) -> None:
        """Put it there, whatever is there."""
        self.client().put(name, text.encode())

    def append(self, table: str, who: str, **options: str | int) -> str:
        """Append one row through Delta; the class of what was thrown, empty where nothing was."""
        rows = self.spark.range(0, 1, 1, 1).select(lit(who).alias("who"))
        return thrown_by(
            lambda: rows.write.format("delta").mode("append").options(**options).save(f"{self.uri}/{table}")
        )


def thrown_by(work: Callable[[], object]) -> str:
    """The name of the Java class of an exception; empty where there is none."""
    try:
        work()
    except Py4JJavaError as cause:
        return str(cause.java_exception.getClass().getName())
    return ""


def together(pool: ThreadPoolExecutor, rivals: int, work: Callable[[int], str]) -> list[str]:
    """What each of so many threads comes to that begin at the same moment."""
    start = threading.Barrier(rivals)

    def one(number: int) -> str:
        start.wait(60)
        return work(number)

    return list(pool.map(one, range(rivals)))


def races(bench: Bench) -> list[dict[str, Any]]:
    """Many write one version, again and again."""
    found = []
    with ThreadPoolExecutor(RIVALS) as pool:
        for number in range(ROUNDS):
            name = f"races/{number:020}.json"
            thrown = together(pool, RIVALS, lambda who, name=name: bench.write(name, f"by {who}", "and no other"))
            found.append({"thrown": thrown, "text": bench.text(name)})
    return found


def lost_answers(bench: Bench) -> dict[str, Any]:
    """A put that was taken, or refused, and of which the client learns nothing."""

    def put(name: str) -> None:
        how = bench.file_system().createFile(bench.path(name)).recursive().overwrite(False)
        stream = how.must(CONDITIONAL, True).build()
        stream.write(bytearray(b"mine\n"))
        stream.close()

    bench.write("lost/theirs.json", "theirs")
    found = {}
    for name, attempt in (
        ("bare", lambda: thrown_by(lambda: put("lost/bare.json"))),
        ("mine", lambda: bench.write("lost/mine.json", "mine")),
        ("theirs", lambda: bench.write("lost/theirs.json", "mine")),
    ):
        bench.server.fault("deaf", times=1, key=f"lost/{name}.json")
        found[name] = {"thrown": attempt(), "text": bench.text(f"lost/{name}.json")}
    return {**found, "keys": bench.server.keys(f"{bench.uri}/lost")}


def replacing(bench: Bench) -> dict[str, Any]:
    """What is there is replaced only where that is asked for."""
    thrown = [
        bench.write("replaced.json", "first"),
        bench.write("replaced.json", "second"),
        bench.write("replaced.json", "third", overwrite=True),
    ]
    return {"thrown": thrown, "text": bench.text("replaced.json")}


def unconditional(bench: Bench) -> dict[str, Any]:
    """What Delta's own store for s3a does at the end: two that have looked, and then both put."""
    files, path = bench.file_system(), bench.path("control.json")
    streams = [files.create(path, False) for _ in range(2)]
    for number, stream in enumerate(streams):
        stream.write(bytearray(f"by {number}\n".encode()))
    return {"thrown": [thrown_by(stream.close) for stream in streams], "text": bench.text("control.json")}


def appends(bench: Bench) -> dict[str, Any]:
    """Appends to one table at once; then one whose commit was taken and not acknowledged."""
    thrown = [bench.append("table", "first")]
    with ThreadPoolExecutor(APPENDERS) as pool:
        for number in range(APPENDS):
            thrown += together(pool, APPENDERS, lambda who, number=number: bench.append("table", f"{who} in {number}"))
    version = 1 + APPENDERS * APPENDS
    bench.server.fault("deaf", times=1, key=f"table/_delta_log/{version:020}.json")
    thrown.append(bench.append("table", "last"))
    return {"thrown": thrown}


def once(bench: Bench) -> dict[str, Any]:
    """Appends at once that say they are the same one."""
    bench.append("once", "first")
    with ThreadPoolExecutor(APPENDERS) as pool:
        thrown = [
            together(
                pool,
                APPENDERS,
                lambda who, number=number: bench.append("once", f"{who} in {number}", txnAppId="x", txnVersion=number),
            )
            for number in range(ONCE)
        ]
    return {"thrown": thrown}


def guarded(bench: Bench) -> dict[str, Any]:
    """Commits of a run that must hold a lock: it is its own, it gave up, it is another's, or nobody's; and then through Delta."""
    mine = LockHolder(run="mine")
    locks = {
        "held": mine.dumps().decode(),
        "given up": replace(mine, gave_up=True).dumps().decode(),
        "another's": LockHolder(run="theirs").dumps().decode(),
        "let go of": "",
    }
    session = bench.spark.newSession()
    session.conf.set(GUARD_LOCK, f"{bench.uri}/locks/own")
    session.conf.set(GUARD_RUN, "mine")
    under = Bench(bench.server, bench.uri, session)
    conf = bench.jvm.org.apache.hadoop.conf.Configuration(bench.hadoop)
    conf.set(GUARD_RUN, "mine")
    found = {}
    for number, (name, words) in enumerate(locks.items()):
        conf.set(GUARD_LOCK, f"{bench.uri}/locks/{number}")
        bench.write(f"locks/{number}", words)
        bench.write("locks/own", words, overwrite=True)
        found[name] = [bench.write(f"guarded/{number}.json", "x", conf=conf), under.append("guarded/table", name)]
    conf.set(GUARD_LOCK, f"{bench.uri}/locks/none")
    found["never taken"] = [bench.write("guarded/none.json", "x", conf=conf)]
    return {
        "thrown": found,
        "keys": [key for key in bench.server.keys(f"{bench.uri}/guarded") if key.endswith(".json")],
    }


def renewed(bench: Bench) -> list[str]:
    """Commits of a run whose lock is put again all the time, between any two requests of those who read it."""
    conf = bench.jvm.org.apache.hadoop.conf.Configuration(bench.hadoop)
    conf.set(GUARD_LOCK, f"{bench.uri}/locks/renewed")
    conf.set(GUARD_RUN, "mine")
    words, ended = LockHolder(run="mine").dumps().decode(), threading.Event()
    bench.write("locks/renewed", words)

    def beat() -> None:
        while not ended.is_set():
            bench.put("locks/renewed", f'{words[:-1]}, "put": {time.time_ns()}}}')
            time.sleep(0.02)

    beating = threading.Thread(target=beat)
    beating.start()
    try:
        return [bench.write(f"renewed/{number}.json", "x", conf=conf) for number in range(RENEWED)]
    finally:
        ended.set()
        beating.join()


def main(endpoint: str, uri: str) -> dict[str, Any]:
    """All that is tried, by name."""
    server = S3(endpoint, pid=0)
    conf = {**dict(LITTLE_DATA), **server.conf(), "spark.jars.packages": HADOOP_AWS}
    handle = open_session(SparkSpec(conf=tuple(conf.items())), storage=f"{uri}/x", app_name="log store", short=True)
    try:
        guest = open_session(SparkSpec(), storage=f"{uri}/x", app_name="guest", short=True)
        guest.close()
        bench = Bench(server, uri, handle.spark)
        tried = (races, lost_answers, replacing, unconditional, appends, once, guarded, renewed)
        return {"owned": [handle.owned, guest.owned], **{work.__name__: work(bench) for work in tried}}
    except Py4JJavaError as cause:  # its words are the JVM's, which is about to end
        raise AssertionError(str(cause)) from None
    finally:
        handle.close()


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
