"""`etl`, `python -m etl` and `spark-submit` of this file are the command `etl`."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from pathlib import Path
from typing import Any


def _quit(number: int, _: Any) -> None:
    os._exit(128 + number)


def _all_is_done() -> None:
    """The exit code is known, and Python takes itself apart: from here on a signal would only change that code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """The command. A signal that comes while it is being imported ends it without a word: there is nothing to put in order yet."""
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
