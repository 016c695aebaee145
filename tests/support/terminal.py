"""Commands of a page of the documentation, run in their order: `etl` in this process, anything else by a shell."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from etl.cli import main


def typed(command: str, folder: Path) -> tuple[int, str]:
    """The exit code of a command typed in a folder, and what it put out, errors among it.

    `etl` finds the session of this process: a JVM for each command would take most of a minute. `tests/cli` runs it in processes of its own.
    """
    program, *arguments = shlex.split(command)
    if Path(program).name == "etl":
        assert Path(sys.executable).with_name("etl").exists(), "the environment has the command"
        return _etl(arguments, folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _etl(arguments: list[str], folder: Path) -> tuple[int, str]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.chdir(folder):
            done = CliRunner().invoke(main, arguments)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return done.exit_code, done.output
