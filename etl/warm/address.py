"""Where the session that stays of a folder and an environment is found. It needs nothing that Python has not imported by itself."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path

COMMANDS = frozenset({"run", "preview", "test", "verify", "plan"})
"""Those that a session that stays runs."""

DEFAULT_ENVIRONMENT = "local"
COLD = "--cold"
SOCKET = "socket"
_LONGEST = 107  # bytes of a socket's path, by the kernel


def environment_of(arguments: Sequence[str]) -> str:
    """The environment that a command names, as far as one can tell without knowing its options; what it says wrong, the command will tell."""
    for option, value in zip(arguments, [*arguments[1:], DEFAULT_ENVIRONMENT], strict=True):
        if option == "--env":
            return value
        if option.startswith("--env="):
            return option.removeprefix("--env=")
    return DEFAULT_ENVIRONMENT


def folder_of(project: Path, environment: str) -> Path:
    """The folder of the session of a project's folder and an environment, whether or not there is one.

    A boot of the machine has its own, so that what an earlier one left is not taken for a session that died.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:  # no Linux: then there is no session that stays either
        boot = ""
    name = hashlib.blake2b(
        "\0".join((boot, str(project), environment)).encode("utf-8", "surrogateescape"), digest_size=8
    )
    return root() / name.hexdigest()


def root() -> Path:
    """The folder of all sessions that stay of this user: in the system's place for such things, else in our cache."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_absolute():
        return Path(runtime, "twilight-etl")
    named = os.environ.get("TWILIGHT_CACHE")
    if named:
        return Path(named).absolute() / "warm"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "twilight-etl", "warm")


def fits(socket: Path) -> bool:
    """Whether the system takes a path for a socket's."""
    return len(os.fsencode(socket)) <= _LONGEST


def socket_for(arguments: Sequence[str]) -> Path | None:
    """The socket of the session that may run a command, typed in the current folder; None where there is none."""
    if not arguments or arguments[0] not in COMMANDS or COLD in arguments:
        return None
    try:
        socket = folder_of(Path.cwd(), environment_of(arguments)) / SOCKET
        return socket if stat.S_ISSOCK(socket.stat().st_mode) else None
    except (OSError, RuntimeError, ValueError):  # none; no current folder; no home; a NUL in a name
        return None
