"""A terminal as a person has one: what a command shows on it, what is typed into it, how it is left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import pyte

from etl.cli import main
from tests.crash.killing import environment

CTRL_C = "\x03"
COLOUR = re.compile(rb"\x1b\[[0-9;:]*m")
_LINES = 60
_PATIENCE_S = 10.0
_MARK = b"\0\0"  # what is written before it is read before it; no command writes it
_LONG_S = 240  # many times what it takes on a quiet machine
_ABOUT_TERMINALS = {"CI", "CLICOLOR", "COLORTERM", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "TERM"}


class Screen:
    """A pseudo-terminal of so many columns, and everything that was written to it."""

    def __init__(self, columns: int) -> None:
        self.columns, self.raw = columns, b""
        self._master, self.slave = os.openpty()
        self.resize(columns, _LINES)
        self._settings = self._left = termios.tcgetattr(self.slave)
        self._drawn: tuple[int, pyte.HistoryScreen] | None = None  # how many bytes, and what they make
        self._news = threading.Condition()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                new = os.read(self._master, 65536)
            except OSError:  # it was closed
                return
            with self._news:
                self.raw += new
                self._news.notify_all()

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size; the commands in it are told by SIGWINCH."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def type(self, keys: str) -> None:
        """What a person types: Ctrl-C goes to every process in the foreground, the JVM among them."""
        os.write(self._master, keys.encode())

    def close(self) -> None:
        """Close the window."""
        with contextlib.suppress(OSError, termios.error):
            self._left = termios.tcgetattr(self.slave)
        master, self._master = self._master, -1  # see hang_up: a process that outlives the window may still write
        for handle in (self.slave, master):
            with contextlib.suppress(OSError):  # one of them may be closed already
                os.close(handle)

    def hang_up(self) -> None:
        """Close the window under the command's eyes: the kernel tells it by SIGHUP."""
        master, self._master = self._master, -1  # whoever still follows it must not read what gets its number next
        os.close(master)

    def settle(self) -> None:
        """Until all that was written is read."""
        with contextlib.suppress(OSError):  # a window that was closed
            os.write(self.slave, _MARK)
        patience = time.monotonic() + _PATIENCE_S
        with self._news:
            while _MARK not in self.raw and time.monotonic() < patience:
                self._news.wait(0.05)
            self.raw = self.raw.replace(_MARK, b"")

    @property
    def lines(self) -> list[str]:
        """Every line that is on the screen, or has scrolled off it."""
        shown = self._shown()
        above = ["".join(line[i].data for i in range(self.columns)).rstrip() for line in shown.history.top]
        return [*above, *(line.rstrip() for line in shown.display)]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    @property
    def colours(self) -> int:
        """How often a colour or another style was asked for."""
        return len(COLOUR.findall(self.raw))

    @property
    def is_as_before(self) -> bool:
        """Whether the cursor is shown, and the terminal echoes and breaks lines as it did."""
        with contextlib.suppress(OSError, termios.error):  # a window that was closed is told of as it was then
            self._left = termios.tcgetattr(self.slave)
        return self.shows_cursor and self._left == self._settings

    @property
    def shows_cursor(self) -> bool:
        return not self._shown().cursor.hidden

    def _shown(self) -> pyte.HistoryScreen:
        if self._drawn is not None and self._drawn[0] == len(self.raw):
            return self._drawn[1]
        screen = pyte.HistoryScreen(self.columns, _LINES, history=10_000, ratio=1.0)
        pyte.ByteStream(screen).feed(self.raw)
        self._drawn = len(self.raw), screen
        return screen


class Terminal(Screen):
    """A window in which one command runs, the leader of a session of its own."""

    def __init__(
        self,
        folder: Path,
        *command: str,
        columns: int = 80,
        program: Sequence[str] = (sys.executable, "-m", "etl"),
        **variables: str,
    ) -> None:
        super().__init__(columns)
        inherited = {name: value for name, value in environment().items() if name not in _ABOUT_TERMINALS}
        self.process = subprocess.Popen(
            [*program, *command],
            cwd=folder,
            env={**inherited, "TERM": "xterm-256color", **variables},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  # one system call: Popen has no other way to a controlling terminal
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.close()

    def wait_for(self, text: str) -> None:
        """Until that was written; AssertionError with the screen where it is not."""
        ended = time.monotonic() + _LONG_S
        while text.encode() not in self.raw and self.process.poll() is None and time.monotonic() < ended:
            with self._news:
                self._news.wait(0.2)
        self.settle()
        assert text.encode() in self.raw, f"{text!r} was never shown:\n{self.text}"

    def end(self) -> int:
        """The exit code, when the command has ended and all that it wrote is read."""
        code = self.process.wait(_LONG_S)
        self.settle()
        return code


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def _standard_output(screen: Screen) -> Iterator[None]:
    with (
        open(os.dup(screen.slave), "w", encoding="utf-8", buffering=1) as out,  # noqa: PTH123  # a handle, no path
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        yield


def typed(folder: Path, *command: str, columns: int = 80) -> tuple[int, Screen]:
    """The exit code of a command and the screen on which it ran, in this process, whose session it finds."""
    screen = Screen(columns)
    with contextlib.chdir(folder), _standard_output(screen):
        try:
            main(list(command), prog_name="etl")
        except SystemExit as end:
            code = int(end.code or 0)
    screen.settle()
    screen.close()
    return code, screen
