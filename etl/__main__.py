"""`etl`, `python -m etl` and `spark-submit` of this file are the command `etl`."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path
from typing import Any

STAYED = frozenset(
    {"run", "preview", "test", "verify", "plan"}
)  # as etl/warm/address.py has them, which others need not import


def _quit(number: int, _: Any) -> None:
    os._exit(128 + number)


def _all_is_done() -> None:
    """The exit code is known, and Python takes itself apart: from here on a signal would only change that code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """The command. A signal that comes while it is being imported ends it without a word: there is nothing to put in order yet."""
    if STAYED.intersection(sys.argv[1:2]):
        _hand_over()
    _command()


def stay(told: dict[str, Any]) -> None:
    """The server of a session that stays (etl/warm/starting.py starts it); in a process that it forks for a command, the command."""
    from etl.cli.preload import import_all  # noqa: PLC0415  # most processes are no server
    from etl.warm.server import Server  # noqa: PLC0415  # likewise
    from etl.warm.starting import hold  # noqa: PLC0415  # likewise

    folder = Path(told["folder"])
    if not hold(folder):
        sys.exit("another server has the session")
    import_all()
    typed = Server(Path(told["project"]), told["environment"], folder, told["idle_s"], told["tell"]).serve()
    if typed is not None:
        typed.run(_command)


def _hand_over() -> None:
    """Let a session that stays run the command, where there is one; the process ends there."""
    from etl.warm.address import socket_for  # noqa: PLC0415  # other commands do without

    path = socket_for(sys.argv[1:])
    if path is None or None in (sys.stdin, sys.stdout, sys.stderr):
        return
    from etl.warm.client import hand_over  # noqa: PLC0415  # there is a session

    has_died = hand_over(path)
    if has_died:
        from etl.warm.starting import revive  # noqa: PLC0415  # likewise

        # When this process needs the processors no more; what Spark has added to its environment by then is not the session's.
        atexit.register(revive, path, dict(os.environ))


def _command() -> None:
    atexit.register(_all_is_done)  # the first that is registered, so the last that is called
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever has started us: what is said goes nowhere
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # open as long as the process is
        getattr(sys, name).reconfigure(errors="backslashreplace")  # no letter of a user's may end a command
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _quit)
    from etl.cli import main as command  # noqa: PLC0415  # see above

    command()


if __name__ == "__main__":
    main()
