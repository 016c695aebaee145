"""The server of a session that stays, started as a process of its own, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etl.errors import EnvironmentProblem
from etl.warm import wire
from etl.warm.address import SOCKET, fits, folder_of
from etl.warm.identity import identity

IDLE_S = 30 * 60.0
START_S = 300.0
_ANSWER_S, _END_S, _POLL_S = 10.0, 60.0, 0.05
_SETTINGS = "settings.json"
_PROGRAM = "import json, sys; told = json.loads(sys.argv[1]); sys.path[:] = told['path']; from etl.__main__ import stay; stay(told)"


def start(project: Path, environment: str, *, idle_s: float) -> dict[str, Any]:
    """Start a session that stays, and wait until it is ready; its status.

    Raises EnvironmentProblem where it cannot be had, with what its server says.
    """
    folder = _folder(project, environment)
    process, read_end = _spawn(project, environment, folder, idle_s, os.environ)
    told = _first_line(read_end, process)
    if "failed" in told:
        what, _, hint = str(told["failed"]).partition("\n  ")
        raise EnvironmentProblem(
            what, hint=hint or f"look at {folder / 'log'}; commands start Spark themselves meanwhile"
        )
    (folder / _SETTINGS).write_text(
        json.dumps({"project": str(project), "environment": environment, "idle_s": idle_s}), encoding="utf-8"
    )
    found = ask(project, environment, "status")
    if found is None:
        raise EnvironmentProblem("the session that stays has ended at once", hint=f"look at {folder / 'log'}")
    return found


def revive(socket_path: Path, variables: Mapping[str, str]) -> None:
    """Start the session whose server has died anew, with that environment, and do not wait for it; nothing where that cannot be."""
    folder = socket_path.parent
    try:
        told = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        _, read_end = _spawn(Path(told["project"]), told["environment"], folder, float(told["idle_s"]), variables)
        os.close(read_end)
    except (OSError, ValueError, KeyError, EnvironmentProblem):
        socket_path.unlink(missing_ok=True)  # no command looks for it any more


def ask(project: Path, environment: str, what: str, **more: Any) -> dict[str, Any] | None:
    """The status of the session that stays, after a `stop` or by `status`; None where there is none.

    Raises EnvironmentProblem where it does not answer.
    """
    folder = folder_of(project, environment)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_ANSWER_S)
    try:
        wire.must_be_private(folder)
        connection.connect(str(folder / SOCKET))
        wire.must_be_own(connection)
        wire.send(connection, {"ask": what, **more})
        heard = wire.receive(connection)
    except TimeoutError as cause:
        raise EnvironmentProblem("the session that stays does not answer", hint=f"look at {folder / 'log'}") from cause
    except OSError:
        return None
    finally:
        connection.close()
    return heard[0] if heard is not None else None


def stop(project: Path, environment: str) -> dict[str, Any] | None:
    """End the session that stays, and wait until it is gone, unless a command is in it: then it ends with that; None where there is none."""
    found = ask(project, environment, "stop")
    if found is None or found["state"] == "busy":
        return found
    deadline = time.monotonic() + _END_S
    while _lives(int(found["pid"])) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return found


def _folder(project: Path, environment: str) -> Path:
    if not hasattr(socket, "SO_PEERCRED") or not hasattr(os, "pidfd_open"):
        raise EnvironmentProblem("a session that stays needs Linux", hint="commands start Spark themselves")
    folder = folder_of(project, environment)
    if not fits(folder / SOCKET):
        raise EnvironmentProblem(
            f"the path of the socket is too long: {folder / SOCKET}",
            hint="set XDG_RUNTIME_DIR to a folder with a shorter one",
        )
    try:
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
            wire.must_be_private(each)
    except OSError as cause:
        raise EnvironmentProblem(
            f"the folder of the session that stays cannot be used: {cause}",
            hint="its permissions must be 0700, and it must be yours; XDG_RUNTIME_DIR names another place",
        ) from cause
    return folder


def _spawn(
    project: Path, environment: str, folder: Path, idle_s: float, variables: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server; it, and the end of a pipe on which it says what came of it."""
    read_end, write_end = os.pipe()
    told = {
        "path": sys.path,
        "project": str(project),
        "environment": environment,
        "folder": str(folder),
        "idle_s": idle_s,
        "tell": write_end,
    }
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # noqa: SLF001  # what multiprocessing uses, and nothing else knows
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, *flags, "-c", _PROGRAM, json.dumps(told)],
            cwd=project,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(write_end,),
            start_new_session=True,
        )
    os.close(write_end)
    return process, read_end


def hold(folder: Path) -> bool:
    """Have this process be the only server of a folder, as long as it lives; False where there is one."""
    handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    return True


def _first_line(read_end: int, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline, text = time.monotonic() + START_S, b""
    try:
        while not text.endswith(b"\n") and time.monotonic() < deadline:
            if not select.select([read_end], [], [], 1.0)[0]:
                continue
            part = os.read(read_end, 65536)
            if not part:
                break
            text += part
    except BaseException:
        process.terminate()
        raise
    finally:
        os.close(read_end)
    if not text.endswith(b"\n"):
        process.terminate()
        return {"failed": "the server of the session ended, or was not ready in time"}
    found: dict[str, Any] = json.loads(text)
    return found


def _lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        return state not in "ZX"
    return False


def serves(project: Path, environment: str) -> bool:
    """Whether the session that stays takes commands of this process, once it is ready: it has its version, and what it takes note of."""
    found = ask(project, environment, "status", identity=identity(project, environment))
    return found is not None and not found["differs"]
