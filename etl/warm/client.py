"""A command that is run by a session that stays: what is left to do in its own process is to pass signals on, and to end as it ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

from etl.warm.address import environment_of
from etl.warm.identity import identity
from etl.warm.wire import must_be_own, must_be_private, receive, send

_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGWINCH,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
_HANDLED = (*_PASSED_ON, signal.SIGTSTP)
_ANSWER_S = 20.0
_SIGNALLED = 128
_LOST = "the session that stays was ended amid the command (`etl warm`); nothing is half-written: run it again\n"


def hand_over(path: Path) -> bool:
    """Have the session at a socket run this process's command, and end as it ends.

    Returns where the command is to run by itself: True where the session has died, and is to be started anew, else False.
    """
    descriptors = [0, 1, 2]
    try:
        for descriptor in descriptors:
            os.fstat(descriptor)  # one that is closed cannot be handed over
        must_be_private(path.parent)
    except OSError:
        return False
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_S)
    try:
        connection.connect(str(path))
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    read_end, number = _hear()
    try:
        must_be_own(connection)
        send(connection, _request(), descriptors)
        answer = receive(connection)
        is_taken = answer is not None and bool(answer[0].get("taken"))
        if is_taken:
            send(connection, {"go": True})  # without it nothing has begun: one command is never run twice
    except OSError:
        is_taken = False
    if is_taken:
        connection.settimeout(None)
        _follow(connection, read_end)
    connection.close()
    _unhear(number, read_end)
    return False


def _request() -> dict[str, Any]:
    folder = Path.cwd()
    return {
        "ask": "command",
        "identity": identity(folder, environment_of(sys.argv[1:])),
        "arguments": sys.argv,
        "package": getattr(
            sys.modules["__main__"], "__package__", None
        ),  # by which click tells `python -m etl` from `etl`
        "variables": dict(os.environ),
        "path": sys.path,
        "streams": [_stream(name) for name in ("stdin", "stdout", "stderr")],
        "ignored": [number for number in _HANDLED if _BEFORE.get(number) == signal.SIG_IGN],
    }


def _stream(name: str) -> dict[str, Any]:
    stream = getattr(sys, name)
    return {
        "encoding": stream.encoding,
        "errors": stream.errors,
        "line_buffering": stream.line_buffering,
        "write_through": stream.write_through,
    }


_BEFORE: dict[int, Any] = {}


def _hear() -> tuple[int, int]:
    """Have signals written into a pipe from now on, instead of ending the process; its end to read, and that to write."""
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in _HANDLED:
        _BEFORE[number] = signal.getsignal(number)
        if _BEFORE[number] != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    return read_end, write_end


def _unhear(write_end: int, read_end: int) -> None:
    """Answer signals as before; those that came meanwhile, too."""
    signal.set_wakeup_fd(-1)
    for number, handler in _BEFORE.items():
        signal.signal(number, handler)
    came = b""
    with contextlib.suppress(BlockingIOError):
        came = os.read(read_end, 512)
    os.close(write_end)
    os.close(read_end)
    for number in came:
        if number in _PASSED_ON and number != signal.SIGWINCH:
            os.kill(os.getpid(), number)


def _follow(connection: socket.socket, read_end: int) -> NoReturn:
    """Pass signals on until the command has ended, and end this process in the same way."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(read_end, select.POLLIN)
    ended: int | None = None
    while True:
        ready = dict(poll.poll())
        try:
            if read_end in ready:
                for number in os.read(read_end, 512):
                    _pass_on(connection, number)
            if connection.fileno() in ready:
                message = receive(connection)
                ended = message[0].get("ended") if message is not None else None
                break
        except OSError:  # the session has died
            break
    if ended is None:
        with contextlib.suppress(OSError):
            os.write(2, _LOST.encode("ascii"))
        os._exit(_SIGNALLED + signal.SIGKILL)
    if ended < 0:  # by a signal: whoever waits for this process is to see that
        number = -ended
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(_SIGNALLED + number)
    os._exit(ended)


def _pass_on(connection: socket.socket, number: int) -> None:
    if number == signal.SIGTSTP:  # Ctrl-Z: both stand still, and both go on
        send(connection, {"signal": int(signal.SIGSTOP)})
        os.kill(os.getpid(), signal.SIGSTOP)
        send(connection, {"signal": int(signal.SIGCONT)})
    elif number in _PASSED_ON:
        send(connection, {"signal": number})
