"""The process of a session that stays: it has imported what commands need, forks one for each, and has a child that keeps the JVM.

It has one thread and no connection to the JVM, so that a fork of it is whole. One command at a time is in the session; whoever comes meanwhile is
told so, and runs by itself. A command that does not end in good order takes the JVM with it, as a driver does that is killed, and another is started.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etl.engine.session.attached import Offer
from etl.warm import wire
from etl.warm.address import SOCKET
from etl.warm.command import HELD, TypedCommand, die_with_parent
from etl.warm.identity import difference, identity
from etl.warm.keeper import keep

_REQUEST_S = 5.0
_RECOVER_S = 60.0
_QUIET_S, _LOOK_S, _POLL_S = 2.0, 10.0, 0.1
_PAUSES_S = (0.0, 5.0, 30.0)
"""Before a JVM is started again, by how often in a row that has failed; after the last one it is given up."""


@dataclass(slots=True)
class _Keeper:
    """The child that keeps the JVM; `offer` is None while the JVM is started, worked in, or cleared."""

    pid: int
    connection: socket.socket
    offer: Offer | None = None
    jvm: int = 0
    recovering_since: float | None = None


@dataclass(slots=True)
class _Running:
    """The command in the session."""

    pid: int
    connection: socket.socket | None
    note: int


@dataclass(slots=True)
class Server:
    """One session that stays."""

    project: Path
    environment: str
    folder: Path
    idle_s: float
    tell: int
    _own: dict[str, Any] = field(default_factory=dict)
    _keeper: _Keeper | None = None
    _running: _Running | None = None
    _failures: int = 0
    _start_at: float = 0.0
    _served: int = 0
    _declined: int = 0
    _last_declined: str = ""
    _is_stopping: bool = False
    _collected: bool = True
    _began: float = field(default_factory=time.monotonic)
    _used: float = field(default_factory=time.monotonic)
    _listener: socket.socket | None = None

    def serve(self) -> TypedCommand | None:
        """Serve until it is stopped, or nobody has come for long: then None. In the process of a command: the command."""
        self._own = identity(self.project, self.environment)
        read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._start_keeper()
        while not self._is_over():
            ready = self._wait(read_end)
            if read_end in ready:
                signals = os.read(read_end, 512)
                self._is_stopping = self._is_stopping or bool({signal.SIGTERM, signal.SIGINT} & set(signals))
            self._reap()
            keeper, running, listener = self._keeper, self._running, self._listener
            if keeper is not None and keeper.connection.fileno() in ready:
                self._hear_keeper(keeper)
            if running is not None and running.connection is not None and running.connection.fileno() in ready:
                self._hear_client(running, running.connection)
            if listener is not None and listener.fileno() in ready:
                command = self._answer(listener)
                if command is not None:
                    return command
            self._look_at_the_clock()
        self._close()
        return None

    def _is_over(self) -> bool:
        if self._running is not None:
            return False
        is_idle = self._listener is not None and self._idle() > self.idle_s
        return self._is_stopping or is_idle or self._failures >= len(_PAUSES_S)

    def _idle(self) -> float:
        return time.monotonic() - self._used if self._running is None else 0.0

    def _wait(self, read_end: int) -> set[int]:
        """The descriptors that have something to say."""
        poll = select.poll()
        poll.register(read_end, select.POLLIN)
        if self._keeper is not None:
            poll.register(self._keeper.connection, select.POLLIN)
        if self._running is not None and self._running.connection is not None:
            poll.register(self._running.connection, select.POLLIN)
        if self._listener is not None and not self._is_recovering():
            poll.register(self._listener, select.POLLIN)  # whoever comes while a command is cleared away waits for that
        now = time.monotonic()
        due = [_LOOK_S]
        if self._running is None:
            due.append(self._used + self.idle_s - now + _POLL_S)
            if self._keeper is None:
                due.append(self._start_at - now)
            elif self._keeper.offer is not None and not self._collected:
                due.append(self._used + _QUIET_S - now)
        return {descriptor for descriptor, _ in poll.poll(max(0.0, min(due)) * 1000)}

    def _is_recovering(self) -> bool:
        return self._keeper is not None and self._keeper.recovering_since is not None

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if self._keeper is None and self._running is None and now >= self._start_at and not self._is_over():
            self._start_keeper()
        keeper = self._keeper
        if keeper is None:
            return
        if keeper.recovering_since is not None and now - keeper.recovering_since > _RECOVER_S:
            self._say("the JVM was not cleared of a command in time, and is ended")
            self._kill_jvm()
        if not self._collected and self._running is None and keeper.offer is not None and self._idle() >= _QUIET_S:
            self._collected = True
            with contextlib.suppress(OSError):
                wire.send(keeper.connection, {"do": "collect"})

    def _start_keeper(self) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                die_with_parent(parent)
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGCHLD, signal.SIGTERM):
                    signal.signal(number, signal.SIG_DFL)
                for number in (signal.SIGINT, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                ours.close()
                if self._listener is not None:
                    self._listener.close()
                os.close(self.tell)
                code = keep(theirs, self.project, self.environment, self.folder)
            finally:
                os._exit(code)
        theirs.close()
        self._keeper = _Keeper(pid, ours)

    def _hear_keeper(self, keeper: _Keeper) -> None:
        try:
            heard = wire.receive(keeper.connection)
        except OSError:
            heard = None
        if heard is None:
            self._lose_keeper(keeper)
            return
        message = heard[0]
        if "ready" in message:
            keeper.offer, keeper.jvm, keeper.recovering_since = Offer(**message["ready"]), message["pid"], None
            self._failures = 0
            if self._listener is None:
                self._listen()
        elif "spent" in message:
            self._say(f"a command has changed the JVM for good ({message['spent']}): another is started")
            keeper.offer, keeper.recovering_since = None, None
            self._start_at = time.monotonic()
        elif "failed" in message:
            self._say(message["failed"])
            if self._listener is None:
                self._report(message)
                self._failures = len(_PAUSES_S)

    def _lose_keeper(self, keeper: _Keeper) -> None:
        """The JVM is gone, or was never there: another is started, later each time."""
        keeper.connection.close()
        was_ready = keeper.jvm != 0
        self._keeper = None
        self._failures = 1 if was_ready else self._failures + 1
        self._start_at = time.monotonic() + _PAUSES_S[min(self._failures, len(_PAUSES_S)) - 1]
        if self._listener is None and not was_ready:
            self._report({"failed": "the process that starts the JVM has ended"})
            self._failures = len(_PAUSES_S)

    def _listen(self) -> None:
        path = self.folder / SOCKET
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
        listener.listen(16)
        self._listener, self._used = listener, time.monotonic()
        self._report({"ready": os.getpid()})

    def _report(self, message: dict[str, Any]) -> None:
        """Tell whoever has started the server what came of it, once."""
        with contextlib.suppress(OSError):  # who waited may be gone
            os.write(self.tell, json.dumps(message).encode("ascii") + b"\n")
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), self.tell)

    def _answer(self, listener: socket.socket) -> TypedCommand | None:
        connection, _ = listener.accept()
        connection.settimeout(_REQUEST_S)
        descriptors: list[int] = []
        try:
            wire.must_be_own(connection)
            heard = wire.receive(connection)
            if heard is None:
                connection.close()
                return None
            request, descriptors = heard
            if request.get("ask") == "command":
                return self._take(connection, request, descriptors)
            if request.get("ask") == "stop":
                self._is_stopping = True
            wire.send(connection, self._status(request.get("identity")))
            connection.close()
        except (OSError, KeyError) as cause:
            self._say(f"a request was refused: {cause}")
            connection.close()
        for descriptor in descriptors:
            os.close(descriptor)
        return None

    def _status(self, theirs: dict[str, Any] | None) -> dict[str, Any]:
        now = time.monotonic()
        keeper, running = self._keeper, self._running
        pids = [os.getpid(), *([keeper.pid, keeper.jvm] if keeper else []), *([running.pid] if running else [])]
        return {
            "pid": os.getpid(),
            "jvm_pid": keeper.jvm if keeper is not None and keeper.jvm else None,
            "project": str(self.project),
            "environment": self.environment,
            "state": "busy" if running else "ready" if keeper is not None and keeper.offer is not None else "starting",
            "stopping": self._is_stopping,
            "age_s": round(now - self._began, 1),
            "idle_s": round(self._idle(), 1),
            "idle_limit_s": self.idle_s,
            "memory_bytes": sum(_memory_of(pid) for pid in pids if pid),
            "commands": self._served,
            "declined": self._declined,
            "last_declined": self._last_declined or None,
            "log": str(self.folder / "log"),
            "differs": self._differs(theirs) if theirs is not None else None,
        }

    def _take(self, connection: socket.socket, request: dict[str, Any], descriptors: list[int]) -> TypedCommand | None:
        """Fork a process for a command, and return the command in it; None in the server, and where the command is declined."""
        why, keeper = self._why_not(request), self._keeper
        offer = keeper.offer if keeper is not None else None
        if why or keeper is None or offer is None:
            self._decline(why)
            wire.send(connection, {"taken": False, "why": why})
            connection.close()
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        wire.send(connection, {"taken": True})
        if wire.receive(connection) is None:
            raise OSError("who has typed it has gone")  # and it may run by itself
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)  # until the command can answer them
        pid = os.fork()
        if pid == 0:
            die_with_parent(parent)
            for other in (connection, self._listener, keeper.connection):
                if other is not None:
                    other.close()
            os.close(read_end)
            os.close(self.tell)
            return TypedCommand(request, tuple(descriptors), offer, write_end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        os.close(write_end)
        for descriptor in descriptors:
            os.close(descriptor)
        keeper.offer = None
        self._running = _Running(pid, connection, read_end)
        self._served += 1
        return None

    def _why_not(self, request: dict[str, Any]) -> str:
        """Why a command is to run by itself; empty where it is taken."""
        if self._is_stopping:
            return "stopping"
        if self._running is not None:
            return "another command is in it"
        if self._keeper is None or self._keeper.offer is None:
            return "the JVM is being started"
        return self._differs(request["identity"])

    def _differs(self, theirs: dict[str, Any]) -> str:
        """What sets this session apart from whoever has that identity, or from what would be started here now; empty where nothing does."""
        return difference(self._own, theirs) or difference(self._own, identity(self.project, self.environment))

    def _decline(self, why: str) -> None:
        self._declined += 1
        self._last_declined = why

    def _hear_client(self, running: _Running, connection: socket.socket) -> None:
        """A signal for the command; or its terminal's process is gone, and the command is told so as by a window that is closed."""
        try:
            heard = wire.receive(connection)
        except OSError:
            heard = None
        number = heard[0].get("signal") if heard is not None else int(signal.SIGHUP)
        if heard is None:
            connection.close()
            running.connection = None
            os.kill(running.pid, signal.SIGCONT)
        if isinstance(number, int):
            with contextlib.suppress(OSError, ValueError):
                os.kill(running.pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._running is not None and pid == self._running.pid:
                self._end_command(self._running, os.waitstatus_to_exitcode(status))

    def _end_command(self, running: _Running, code: int) -> None:
        try:
            note = os.read(running.note, 65536)
        except BlockingIOError:  # a process that the command has left behind holds the other end
            note = b""
        os.close(running.note)
        self._running = None
        self._used = time.monotonic()
        self._collected = False
        keeper = self._keeper
        if not note:
            self._say(f"a command was ended amid its work (exit {code}), and its JVM with it: another is started")
            self._kill_jvm()
        elif keeper is not None and keeper.jvm:
            keeper.recovering_since = time.monotonic()
            with contextlib.suppress(OSError):
                wire.send(keeper.connection, {"do": "recover"})
        if note and (why := json.loads(note)["declined"]):
            self._decline(why)
        if running.connection is not None:
            with contextlib.suppress(OSError):
                wire.send(running.connection, {"ended": code})
            running.connection.close()

    def _kill_jvm(self) -> None:
        """End the JVM at once, and wait until it is gone: whoever runs next may rely on that."""
        keeper = self._keeper
        if keeper is None or not keeper.jvm:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.jvm, signal.SIGKILL)  # a child of the keeper's, which waits for it
        with contextlib.suppress(ProcessLookupError):
            gone = os.pidfd_open(keeper.pid)  # it ends when the JVM has ended
            select.select([gone], [], [], _REQUEST_S)
            os.close(gone)

    def _close(self) -> None:
        if self._listener is not None:
            (self.folder / SOCKET).unlink(missing_ok=True)
            self._listener.close()
        keeper = self._keeper
        if keeper is not None:
            keeper.connection.close()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(keeper.pid, 0)

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)  # noqa: T201  # standard output is the session's log


def _memory_of(pid: int) -> int:
    """The bytes of memory that a process has for itself, and its part of what it shares; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
