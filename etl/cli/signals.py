"""What Ctrl-C, a closed terminal and `kill` do to a command: it ends in good order, with the exit code 128 + the signal's number.

A run is asked to stop, and ends with the epoch under way; a second signal, or one to any other command, ends the process at once, which
harms nothing: what it writes is whole or not there. One line says what is left, and how to go on; what is recorded of a run is recorded.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT = 128
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
_AT_THE_END = (
    ("record.unfinished", "record_all"),
    ("engine.session.class_data", "end_training"),
    ("engine.session.gateway", "end_all"),
    ("engine.storage.scratch", "remove_all"),
)
"""What is done where it was imported: what was not has nothing to end."""
_NOTHING = "nothing was written; the same command starts again"


class Interrupted(KeyboardInterrupt):
    """A signal ended a command that had nothing running beside it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.exit_code = _EXIT + number


class Signals:
    """The signals that a command has heard, and what is done about them."""

    def __init__(self) -> None:
        self.caught: list[int] = []
        self.left = _NOTHING
        self._stop: Callable[[], None] | None = None
        self._settled = False

    @property
    def exit_code(self) -> int:
        """128 + the number of the first signal; 0 where there was none."""
        return _EXIT + self.caught[0] if self.caught else 0

    def leaves(self, what: str) -> None:
        """Say from now on, where a signal ends the work, that it leaves `what`, and how to go on."""
        self.left = what

    def ask(self, stop: Callable[[], None]) -> None:
        """Have the first signal call `stop` from now on, and only a second one end the command."""
        self._stop = stop

    def settle(self) -> None:
        """Ignore a first signal from now on, since the work is done and its exit code is known; a second one ends what lingers."""
        self._settled = True
        self.caught.clear()

    def lost(self) -> None:
        """Take note that nobody reads what the command says, as of a signal."""
        if not self.caught:
            self.caught.append(signal.SIGPIPE)
            if self._stop is not None:
                self._stop()

    def heard(self, number: int, _: Any) -> None:
        """Handle a signal: ask the command to stop, or end the process."""
        if self.caught and number == signal.SIGHUP:  # a window that is closed tells its leader, and the group in front
            return
        self.caught.append(number)
        if len(self.caught) == 1 and self._settled:
            return
        gateway = sys.modules.get("etl.engine.session.gateway")
        if len(self.caught) == 1 and self._stop is not None:
            # Nobody may read it, or the signal may have come amid a line that is being written.
            with contextlib.suppress(OSError, RuntimeError):
                _say("stopping at the end of the epoch under way; once more ends at once")
            self._stop()
            if gateway is None or not gateway.is_waited_for():
                if gateway is not None:
                    gateway.end_starting()  # nothing has begun in it
                return
        if len(self.caught) == 1 and not (gateway is not None and gateway.any_live()):
            raise Interrupted(number)
        _end_at_once(_EXIT + number, self.message())

    def swallowed(self, otherwise: Callable[[sys.UnraisableHookArgs], Any], unraisable: sys.UnraisableHookArgs) -> None:
        """Handle what Python cannot raise: a signal that came amid a finalizer, or a callback of C's, ends the process; what else is for `otherwise`."""
        if isinstance(unraisable.exc_value, Interrupted):
            _end_at_once(unraisable.exc_value.exit_code, self.message())
        otherwise(unraisable)

    def message(self) -> str:
        """The line for a person at the end: what is left, and how to go on."""
        return f"interrupted: {self.left}"


def leaves(what: str) -> None:
    """Say from now on, where a signal ends the command under way, that it leaves `what`, and how to go on."""
    heard = click.get_current_context().find_object(Signals)
    if heard is not None:  # a command that is called by itself hears no signals
        heard.leaves(what)


@contextlib.contextmanager
def signals() -> Iterator[Signals]:
    """Hear signals while a command works; those that the process was started to ignore (nohup, a background job) stay ignored."""
    heard = Signals()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _HEARD:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, heard.heard)
    hook = sys.unraisablehook
    sys.unraisablehook = functools.partial(heard.swallowed, hook)
    try:
        yield heard
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _end_at_once(code: int, message: str) -> None:
    """End the process and its JVM, and remove what it would have thrown away; the terminal gets its cursor back.

    Threads that miss the JVM complain in vain: nothing is shown any more by then.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it may be closed, or amid a line
            stream.flush()
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            if stream is sys.stderr:
                shown = f"{SHOW_CURSOR}\n" if stream.isatty() and "rich.live" in sys.modules else ""
                shown += "\n" if stream.isatty() and not shown else ""
                os.write(stream.fileno(), f"{shown}{message}\n".encode())
            _silence(stream)
    for module, function in _AT_THE_END:
        imported = sys.modules.get(f"etl.{module}")
        if imported is not None:
            getattr(imported, function)()
    os._exit(code)


def _silence(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_gone(stream: TextIO) -> bool:
    """Whether nobody can read any more what is written there: the pipe's reader has ended, the terminal was closed."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), 0)
        return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))
    except (OSError, ValueError):  # no file of the system's: a test's, a notebook's
        return False


def silence_lost() -> bool:
    """Silence each stream that nobody reads any more, so that the end of the process does not complain; whether there is one."""
    lost = [stream for stream in (sys.stdout, sys.stderr) if is_gone(stream)]
    for stream in lost:
        _silence(stream)
    return bool(lost)
