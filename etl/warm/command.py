"""A process of the server's that becomes a command: with the descriptors, the folder, the environment and the signals of the one that was typed."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from etl.engine.session import attached

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)
_FAILED = 1

HELD = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
"""Signals that a process of the server's is not told of before it is the command that they are for."""


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the process that made it ends, in whatever way."""
    ctypes.CDLL(None, use_errno=True).prctl(_DIE_WITH_PARENT, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it has ended meanwhile
        os._exit(_FAILED)


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command that somebody has typed, in the process that is to run it.

    Attributes:
        request: what the client has told of itself.
        descriptors: its standard input, output and error.
        offer: the JVM that it may work in.
        note: the end of a pipe on which the server is told that it ended in good order.
    """

    request: dict[str, Any] = field(repr=False)
    descriptors: tuple[int, ...]
    offer: attached.Offer
    note: int

    def run(self, program: Callable[[], None]) -> None:
        """Run it, and end the process with its exit code."""
        code = _FAILED
        try:
            self._become()
            attached.take_offer(self.offer)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
            program()
            code = 0
        except SystemExit as end:
            code = _code_of(end)
        except BaseException:  # noqa: BLE001  # Python would show it, and so does this
            sys.excepthook(*sys.exc_info())
        self._end(code)

    def _become(self) -> None:
        request = self.request
        signal.set_wakeup_fd(-1)
        for heard in (*HELD, signal.SIGCHLD):
            signal.signal(heard, signal.SIG_DFL)
        for ignored in request["ignored"]:
            signal.signal(ignored, signal.SIG_IGN)
        for own, theirs in enumerate(self.descriptors):
            os.dup2(theirs, own)
            os.close(theirs)
        os.environ.clear()
        os.environ.update(request["variables"])
        time.tzset()
        sys.argv[:] = request["arguments"]
        sys.modules["__main__"].__package__ = request["package"]
        sys.path[:] = request["path"]
        for number, (name, told) in enumerate(zip(("stdin", "stdout", "stderr"), request["streams"], strict=True)):
            stream = _stream(number, told)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        if "numpy" in sys.modules:  # its generator was seeded once, for all commands
            sys.modules["numpy"].random.seed()

    def _end(self, code: int) -> None:
        """What Python does at the end of a process, but for taking its memory apart."""
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  # Python's own end waits for threads so
        except Exception:  # noqa: BLE001  # Python tells it, too, and goes on to its end
            traceback.print_exc()
        atexit._run_exitfuncs()  # noqa: SLF001  # see above
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # nobody reads it, or there is no room: so says Python at its end, too
                code = code or 120
        with contextlib.suppress(OSError):
            os.write(self.note, json.dumps({"declined": attached.declined()}).encode("ascii"))
        os._exit(code)


def _stream(number: int, told: dict[str, Any]) -> IO[str]:
    raw = io.FileIO(number, "r" if number == 0 else "w", closefd=False)
    buffered = io.BufferedReader(raw) if number == 0 else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered,
        encoding=told["encoding"],
        errors=told["errors"],
        newline=None if number == 0 else "\n",
        line_buffering=told["line_buffering"],
        write_through=told["write_through"],
    )


def _code_of(end: SystemExit) -> int:
    """The exit code that Python makes of an exit."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    print(end.code, file=sys.stderr)  # noqa: T201  # as Python does
    return _FAILED
