"""A driver JVM of ours: started with its output kept from the terminal, and ended so that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from etl.engine.session.death import (
    Death,
    exit_code,
    is_lost,
    is_memory,
    kills_by_the_system,
    of_exit_code,
    of_external,
    of_stopped_spark,
    signal_of,
    spark_status,
)
from etl.engine.session.deferred_tools import defer, import_meanwhile
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import SparkSession

_END_S = 60.0
_CLEARING_S, _POLL_S = 2.0, 0.02
_SHOWN_LINES = 5
# Spark starts a first, small JVM only to put together the command line of the driver's.
_LAUNCHING = {"SPARK_LAUNCHER_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


_LIVE: dict[int, subprocess.Popen[bytes]] = {}
"""The JVMs of this process, by their process ids."""

# Signals of a terminal, of `timeout` and of systemd go to whole groups of processes: what becomes of the JVM is this process's to say.
_SHIELDED = ("HUP", "INT", "TERM")


_STARTING: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
"""The JVMs of this process that are not ready yet, by their process ids, each with the thread that waits for it."""


def end_all() -> None:
    """End every JVM of this process at once, as this process itself ends at once: nothing is half-written by that."""
    end_starting()
    for process in tuple(_LIVE.values()):
        _kill(process)


def end_starting() -> None:
    """End the JVMs that are not ready yet; whoever waits for one is told that it could not be started, and clears away what it began."""
    waiting = False
    for process, thread in tuple(_STARTING.values()):
        _kill(process)
        waiting = waiting or thread != threading.get_ident()
    deadline = time.monotonic() + _CLEARING_S
    while waiting and _STARTING and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def is_waited_for() -> bool:
    """Whether this very thread waits for a JVM that is not ready yet."""
    return any(thread == threading.get_ident() for _, thread in tuple(_STARTING.values()))


def any_live() -> bool:
    """Whether a JVM of this process is there, and ready, or another one's that it works in."""
    return bool(_LIVE) or any(gateway.stays for gateway in _LAUNCHED)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        # Without a limit it would take a lock, which the thread that a signal interrupted may have.
        process.wait(_CLEARING_S)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A JVM that this process started.

    Attributes:
        output: what it writes to its standard output and error.
        memory: its `spark.driver.memory`.
        kills: how many processes the system had killed for want of memory before it was started; None where that is not known.
    """

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    memory: str = ""
    kills: int | None = None
    stays: ClassVar[bool] = False
    """Whether the JVM goes on when it is let go of."""

    def last_words(self, *, lines: int = _SHOWN_LINES) -> str:
        """The last lines that the JVM wrote, in one line."""
        return _last_lines(self.output, lines)

    def _system_was_short(self) -> bool:
        """Whether the system has killed a process for want of memory since the JVM was started."""
        now = kills_by_the_system()
        return now is not None and self.kills is not None and now > self.kills

    def death(self, cause: BaseException | None = None) -> Death | None:
        """The JVM's death; None where it lives. `cause`: what was met, by which it may be about to die."""
        code, words = exit_code(self.process, cause), self.last_words(lines=200)
        if code is not None:
            return of_exit_code(code, words, self.memory, killed=self._system_was_short(), ours=True)
        is_stopped = cause is not None and spark_status() == "stopped"
        return of_stopped_spark(words, self.memory, ours=True) if is_stopped else None

    def death_at_start(self) -> Death | None:
        """The JVM's death before it answered anything; None where it ended by itself, and its last words say why."""
        code = self.process.poll()
        if code is None:
            return None
        words = self.last_words(lines=200)
        death = of_exit_code(code, words, self.memory, killed=self._system_was_short(), ours=True)
        return death if death.memory or signal_of(code) else None

    def end(self) -> int:
        """Close the JVM's standard input, which is its sign to go, and wait for it; its exit code."""
        from pyspark import SparkContext  # noqa: PLC0415  # a command without Spark never comes here

        if self.process.poll() is None and self in _LAUNCHED:
            _LAUNCHED.remove(self)  # one that died is still asked for its cause
        gateway = SparkContext._gateway  # noqa: SLF001  # pyspark offers no public way to end the JVM it started
        if gateway is not None and getattr(gateway, "proc", None) is self.process:
            gateway.shutdown()
            SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001  # see above
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it is gone already
                self.process.stdin.close()
        try:
            return self.process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            _LIVE.pop(self.process.pid, None)


_LAUNCHED: list[Gateway] = []


def launched() -> list[Gateway]:
    """The JVMs that this process started and has not ended: those that live, and those that died."""
    return list(_LAUNCHED)


def death_behind(cause: BaseException) -> Death | None:
    """The death of the JVM, ours or external, that an exception comes of; None where it lives."""
    if "pyspark" not in sys.modules:
        return None
    if not is_lost(cause) and not is_memory(cause) and spark_status() == "lives":
        return None
    ours = launched()
    if not ours:
        return of_external(cause)
    return next(filter(None, (gateway.death(cause) for gateway in reversed(ours))), None)


def forget(session: SparkSession) -> None:
    """Make pyspark forget a session whose JVM died, or stays; its own `stop` would ask that JVM first, and end its context."""
    from pyspark import SparkContext  # noqa: PLC0415  # a command without Spark never comes here
    from pyspark.sql import SparkSession, SQLContext  # noqa: PLC0415

    spark: Any = session._sc  # noqa: SLF001  # what `stop` does, but for its calls of the JVM
    spark._jsc = None  # noqa: SLF001  # see above
    if spark._accumulatorServer is not None:  # noqa: SLF001  # see above
        # Half a second, which nobody needs to wait for.
        threading.Thread(target=spark._accumulatorServer.shutdown, daemon=True).start()  # noqa: SLF001  # see above
        spark._accumulatorServer = None  # noqa: SLF001  # see above
    with SparkContext._lock:  # noqa: SLF001  # see above
        SparkContext._active_spark_context = None  # noqa: SLF001  # see above
    SparkSession._instantiatedSession = SparkSession._activeSession = None  # noqa: SLF001  # see above
    SQLContext._instantiatedContext = None  # noqa: SLF001  # see above


def launch(
    conf: Mapping[str, str], *, secret: Sequence[str] = (), output: Path | None = None
) -> tuple[SparkSession, Gateway]:
    """Start a JVM and a session in it. Raises EnvironmentProblem with the JVM's last words where that fails.

    The settings named in `secret` are given to the session only: a command line can be read by everybody on the machine. `output`: the
    file that the JVM's output is appended to; by default one that nobody else sees.
    """
    threading.Thread(target=import_meanwhile, daemon=True).start()
    with _tracked_while_starting():
        client, gateway = _start(conf, secret, output)
        return _open(client, gateway, conf), gateway


def attach_to(gateway: Gateway, *, variables: Mapping[str, str]) -> SparkSession:
    """A new session in a JVM that has a Spark context already; the environment names the door of it, as `spark-submit` does.

    `variables`: the environment that the JVM's Python workers get in addition to its own.
    """
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415  # a command without Spark never comes here
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    defer()
    client: Any = launch_gateway()  # type: ignore[no-untyped-call]  # pyspark's own
    _LAUNCHED.append(gateway)
    packages = client.jvm.org.apache.spark
    java = packages.api.java.JavaSparkContext.fromSparkContext(packages.SparkContext.getOrCreate())
    with _own_interrupts():
        spark: Any = SparkContext(conf=SparkConf(_jconf=java.getConf()), gateway=client, jsc=java)
    spark.environment.update(variables)
    new = packages.sql.classic.SparkSession.getDefaultSession().get().newSession()
    return SparkSession(spark, jsparkSession=new)


def detach_from(gateway: Gateway) -> None:
    """Make this process forget a JVM that `attach_to` has reached."""
    from pyspark import SparkContext  # noqa: PLC0415  # see attach_to

    if gateway in _LAUNCHED:
        _LAUNCHED.remove(gateway)
    SparkContext._gateway = SparkContext._jvm = None  # noqa: SLF001  # pyspark offers no public way to reach another JVM


def _start(conf: Mapping[str, str], secret: Sequence[str], shown: Path | None) -> tuple[Any, Gateway]:
    """Start a JVM; pyspark's client of it, and the gateway."""
    from pyspark import SparkConf  # noqa: PLC0415  # a command without Spark never comes here
    from pyspark.errors import PySparkRuntimeError  # noqa: PLC0415
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415

    defer()
    kills, memory = kills_by_the_system(), conf.get("spark.driver.memory", "")
    # Open as long as the JVM lives.
    output: IO[bytes] = shown.open("a+b") if shown is not None else tempfile.TemporaryFile()  # noqa: SIM115  # see above
    on_command_line = SparkConf(loadDefaults=False).setAll(
        [(name, value) for name, value in conf.items() if name not in secret]
    )
    try:
        with environment_with(_LAUNCHING):
            client: Any = launch_gateway(on_command_line, popen_kwargs={"stdout": output, "stderr": output})  # type: ignore[no-untyped-call]  # pyspark's own
    except PySparkRuntimeError as cause:
        for process in [process for process, thread in _STARTING.values() if thread == threading.get_ident()]:
            death = Gateway(process, output, memory, kills).death_at_start()
            if death is not None:
                raise death.error() from cause
        raise _failed(_last_lines(output) or str(cause)) from cause
    gateway = Gateway(client.proc, output, memory, kills)
    _LAUNCHED.append(gateway)
    _LIVE[client.proc.pid] = client.proc
    return client, gateway


def _open(client: Any, gateway: Gateway, conf: Mapping[str, str]) -> SparkSession:
    """Open a session in a JVM that was started; the JVM is ended where that fails."""
    from py4j.protocol import Py4JJavaError  # noqa: PLC0415  # a command without Spark never comes here
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    try:
        shield(client.jvm, _SHIELDED)
        with _own_interrupts():
            SparkContext(conf=SparkConf(loadDefaults=False).setAll(list(conf.items())), gateway=client)
        return SparkSession.builder.getOrCreate()
    except Py4JJavaError as cause:
        words = str(cause.java_exception.toString()).splitlines()[0]  # asked of the JVM, so before it goes
        gateway.end()
        raise _failed(words) from cause
    except BaseException as cause:
        death = gateway.death(cause)
        gateway.end()
        if death is not None:
            raise death.error() from cause
        raise


def shield(jvm: Any, names: Sequence[str]) -> None:
    """Have a JVM ignore signals from now on; `names` without `SIG`."""
    ignored = jvm.sun.misc.SignalHandler.SIG_IGN
    for name in names:
        jvm.sun.misc.Signal.handle(jvm.sun.misc.Signal(name), ignored)


@contextlib.contextmanager
def _tracked_while_starting() -> Iterator[None]:
    """Keep the JVM that the body starts in `_STARTING`, and kill it where the body raises: pyspark shows the process only once it answers."""
    from pyspark import java_gateway  # noqa: PLC0415  # a command without Spark never comes here

    thread, started = threading.get_ident(), []

    class Tracked(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            _STARTING[self.pid] = (self, thread)
            started.append(self)

    module: Any = java_gateway
    before, module.Popen = module.Popen, Tracked
    try:
        yield
    except BaseException:
        for process in started:
            _kill(process)
        raise
    finally:
        module.Popen = before
        for process in started:
            del _STARTING[process.pid]


@contextlib.contextmanager
def _own_interrupts() -> Iterator[None]:
    """Keep this process's answer to Ctrl-C: Spark's, set by a context that the main thread makes, asks the JVM amid another question."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if main and before is not None:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def environment_with(added: Mapping[str, str]) -> Iterator[None]:
    """Have variables in the environment while something reads them there; what the user has set stays."""
    new = [name for name in added if name not in os.environ]
    os.environ.update({name: added[name] for name in new})
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def _last_lines(output: IO[bytes], shown: int = _SHOWN_LINES) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines[-shown:])


def _failed(words: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"Spark could not be started: {words}",
        hint="look at spark: in conf/; `etl doctor` looks at Java, the jars and the storage",
    )
