"""The death of a driver JVM before its work is done: its cause in words, and the setting that helps.

A JVM that this process started has an exit code and last words. Of one that somebody else started only its silence is known.
"""

from __future__ import annotations

import re
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from etl.errors import EnvironmentProblem, EtlError, FlowFailed
from etl.planning.results import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen


_MEMORY_EXIT = 52  # Spark's own, of a JVM in which a thread found no memory (org.apache.spark.util.SparkExitCode)
_MEMORY = re.compile(r"OutOfMemoryError:? *([^\n|]*)")
_LEAVING = re.compile(
    r"SparkContext was shut ?down|stopped SparkContext|SparkContext has been shutdown|Answer from Java side is empty"
)
_PATIENCE_S, _SOON_S, _POLL_S = 20.0, 2.0, 0.05
_SIGNALLED = 128  # and the signal's number: a shell's exit code of what died by a signal

SparkStatus = Literal["lives", "stopped", "leaving"]
"""The status of a Spark context: `stopped` in a JVM that lives, and so of no use any more; `leaving` with its JVM, or with no answer."""


@dataclass(frozen=True, slots=True)
class Death:
    """The cause of a JVM's death, in words.

    Attributes:
        what: what happened, for a person.
        memory: whether for want of memory; else it was killed, or crashed.
        ours: whether this process started it, and can start another.
    """

    what: str
    hint: str
    memory: bool
    ours: bool

    def failure(self, flow: str, where: str) -> Failure:
        """The failure of a flow that worked in it; one of ours may be tried again."""
        kind: Literal["environment", "run"] = "environment" if self.memory else "run"
        return Failure(kind, f"flow '{flow}': {self.what}", where, self.hint, transient=self.ours)

    def error(self) -> EtlError:
        """The failure of a command that has no flow to name."""
        if self.memory:
            return EnvironmentProblem(self.what, hint=self.hint)
        return FlowFailed(self.what, hint=self.hint, transient=self.ours)


def of_external(cause: BaseException | None = None) -> Death | None:
    """The death of the JVM of an external session; None where it lives, or where there is none. `cause`: what was met, if anything."""
    client = _client()
    if client is None:
        return None
    process = getattr(client, "proc", None)
    if process is not None:
        code = exit_code(process, cause)
        if code is not None:
            return of_exit_code(code, "", "", killed=False, ours=False)
    if cause is not None and spark_status() == "stopped":
        return of_stopped_spark("", "", ours=False)
    if process is not None or cause is None or not is_lost(cause):
        return None
    parameters = client.java_parameters if hasattr(client, "java_parameters") else client.gateway_parameters
    deadline = time.monotonic() + _SOON_S
    while True:
        try:
            socket.create_connection((parameters.address, parameters.port), timeout=_SOON_S).close()
        except OSError:
            return _of_silence()
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)


def exit_code(process: Popen[bytes], cause: BaseException | None) -> int | None:
    """The exit code of a JVM; None where it lives. Where `cause` says that the end is near, it is waited for (up to 20 s)."""
    deadline = time.monotonic() + _patience(cause)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return process.poll()


def _patience(cause: BaseException | None) -> float:
    """The number of seconds to wait for the end of a JVM in which `cause` was met."""
    if cause is None:
        return 0.0
    from py4j.protocol import Py4JNetworkError  # noqa: PLC0415  # there is a JVM, so it is imported already

    text = _text(cause)
    # Whatever was met: a context that is being torn down throws anything, NullPointerExceptions first.
    status = spark_status()
    if status == "stopped":
        return 0.0
    is_cut_off = any(isinstance(error, Py4JNetworkError) for error in _chain(cause))
    if status == "leaving" or _LEAVING.search(text) or is_cut_off:
        return _PATIENCE_S  # shutdown hooks take their time
    return _SOON_S if is_lost(cause) or is_memory(cause) else 0.0


def spark_status() -> SparkStatus:
    """The status of this process's Spark context; `lives` where there is none."""
    from py4j.protocol import Py4JError  # noqa: PLC0415  # there is a JVM, so it is imported already
    from pyspark import SparkContext  # noqa: PLC0415

    active: Any = SparkContext._active_spark_context  # noqa: SLF001  # pyspark offers no public way to ask for it without starting one
    if active is None or active._jsc is None:  # noqa: SLF001  # see above
        return "lives"
    try:
        if not active._jsc.sc().isStopped():  # noqa: SLF001  # see above
            return "lives"
        return "leaving" if active._jvm.org.apache.spark.util.ShutdownHookManager.inShutdown() else "stopped"  # noqa: SLF001  # see above
    except (Py4JError, OSError):
        return "leaving"


def is_lost(cause: BaseException) -> bool:
    """Whether an exception is one of a connection to a JVM that is not there, or that takes leave."""
    from py4j.protocol import Py4JNetworkError  # noqa: PLC0415  # pyspark is imported already

    return _LEAVING.search(_text(cause)) is not None or any(
        isinstance(error, Py4JNetworkError | ConnectionError | EOFError) for error in _chain(cause)
    )


def is_memory(cause: BaseException) -> bool:
    """Whether an exception, or what caused it, says that there was no memory."""
    return _MEMORY.search(_text(cause)) is not None


def of_exit_code(code: int, words: str, memory: str, *, killed: bool, ours: bool) -> Death:
    """The death of a JVM with an exit code and last words.

    `memory`: its `spark.driver.memory`. `killed`: the system was short of memory meanwhile, and killed somebody.
    """
    number = signal_of(code)
    error = _MEMORY.search(words)
    if error or code == _MEMORY_EXIT:
        return _of_memory(error.group(1).strip() if error else "", memory, ours=ours)
    return _of_signal(number, memory, killed=killed, ours=ours) if number else _of_itself(code, words, ours=ours)


def _of_signal(number: int, memory: str, *, killed: bool, ours: bool) -> Death:
    if number == signal.SIGKILL and killed:
        return Death(
            "the system was out of memory and killed the JVM that ran Spark (SIGKILL, by the kernel's OOM killer)",
            f"give the machine or the container more memory, or the JVM less of it: {_setting('2g', ours=ours)}{_has(memory)}",
            memory=True,
            ours=ours,
        )
    if number == signal.SIGKILL:
        return Death(
            "the JVM that ran Spark was killed (SIGKILL)",
            "if nobody killed it, the system did for want of memory (see dmesg): give the machine more, or the JVM less by"
            f" {_setting('2g', ours=ours)}{_has(memory)}; {_again(ours=ours)}",
            memory=False,
            ours=ours,
        )
    name = signal.Signals(number).name
    crashed = number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
    what = f"the JVM that ran Spark {'crashed' if crashed else 'was ended'} ({name})"
    look = "look at hs_err_pid*.log in the current folder; " if crashed else ""
    return Death(what, look + _again(ours=ours), memory=False, ours=ours)


def _of_itself(code: int, words: str, *, ours: bool) -> Death:
    last = " | ".join(words.split(" | ")[-3:])
    what = f"the JVM that ran Spark ended by itself with exit code {code}" + (f": {last}" if last else "")
    return Death(what, _again(ours=ours), memory=False, ours=ours)


def signal_of(code: int) -> int:
    """The number of the signal that an exit code stands for; 0 where it stands for none."""
    number = -code if code < 0 else code - _SIGNALLED
    return number if number in set(signal.Signals) else 0


def _of_memory(kind: str, memory: str, *, ours: bool) -> Death:
    """`kind`: what Java had no room for (`Java heap space`); empty where it is not known."""
    shown = f" ({kind})" if kind else ""
    what = f"the JVM that ran Spark was out of memory{shown}, and has ended"
    return Death(what, f"give it more by {_setting('8g', ours=ours)}{_has(memory)}", memory=True, ours=ours)


def of_stopped_spark(words: str, memory: str, *, ours: bool) -> Death:
    """The death of a context that is stopped in a JVM that lives: Spark stops it where one of its own threads cannot go on.

    `words`: the JVM's last. `memory`: its `spark.driver.memory`.
    """
    error = _MEMORY.search(words)
    if error:
        kind = error.group(1).strip()
        what = f"Spark was out of memory{f' ({kind})' if kind else ''}, and has stopped"
        return Death(what, f"give it more by {_setting('8g', ours=ours)}{_has(memory)}", memory=True, ours=ours)
    last = " | ".join(words.split(" | ")[-3:])
    what = "the Spark context was stopped amid its work" + (f"; it had said: {last}" if last else "")
    return Death(what, _again(ours=ours), memory=False, ours=ours)


def _of_silence() -> Death:
    return Death(
        "the JVM that ran Spark is gone: it was killed, or ended by itself",
        f"look at its log; where it was out of memory, give it more by {_setting('8g', ours=False)}; {_again(ours=False)}",
        memory=False,
        ours=False,
    )


def _setting(size: str, *, ours: bool) -> str:
    """The setting of a JVM's memory, and the place for it; `size` is an example."""
    if ours:
        return f"spark: {{conf: {{spark.driver.memory: {size}}}}} in conf/<env>.yml"
    return f"spark.driver.memory={size}, which the session is started with (spark-submit --driver-memory {size})"


def _has(memory: str) -> str:
    return f"; it had {memory}" if memory else ""


def _again(*, ours: bool) -> str:
    return (
        "run again: nothing is half-written" if ours else "start a new session, and run again: nothing is half-written"
    )


def kills_by_the_system() -> int | None:
    """The number of processes that the kernel has killed for want of memory, in this container or else on this machine; None where it does not say."""
    try:
        group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().splitlines()[-1].rpartition("::")[2]
        events = Path("/sys/fs/cgroup", group.lstrip("/"), "memory.events")
        file = events if events.exists() else Path("/proc/vmstat")
        counts = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
    except (OSError, ValueError, IndexError):  # another system than Linux
        return None
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def _client() -> Any:
    from pyspark import SparkContext  # noqa: PLC0415  # there is a session, so it is imported already

    return SparkContext._gateway  # noqa: SLF001  # pyspark offers no public way to ask who started the JVM


def _text(cause: BaseException) -> str:
    return "\n".join(map(_text_of, _chain(cause)))


def _text_of(cause: BaseException) -> str:
    """An exception's text; of an exception of a JVM that is gone only its class, since py4j asks the JVM for the text."""
    from py4j.protocol import Py4JError  # noqa: PLC0415  # there is a JVM, so it is imported already

    try:
        return str(cause)
    except (Py4JError, OSError):
        return type(cause).__name__


def _chain(cause: BaseException) -> Iterator[BaseException]:
    """An exception and those that it came of, each once."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [cause]
    while waiting:
        error = waiting.pop()
        if error is None or error in seen:
            continue
        seen.append(error)
        yield error
        waiting += [error.__cause__, error.__context__]
