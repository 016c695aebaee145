"""Who may speak to a session that stays, and which session a command finds."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl import __main__
from etl.warm import wire
from etl.warm.address import COMMANDS, environment_of, folder_of, root, socket_for
from etl.warm.identity import difference, identity

NOBODY = 65534


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """One whose path leaves room for a socket's: the kernel takes 107 bytes, and pytest's own folders may be longer."""
    with tempfile.TemporaryDirectory(prefix="w-") as folder:
        yield Path(folder)


def test_a_message_and_descriptors_arrive_whole() -> None:
    one, other = socket.socketpair()
    reader, writer = os.pipe()
    sent = {"text": "ä\udc80" * 100_000}
    pid = os.fork()
    if pid == 0:
        wire.send(one, sent, [writer])
        os._exit(0)
    heard = wire.receive(other)
    os.waitpid(pid, 0)
    assert heard is not None
    message, (descriptor,) = heard
    assert message == sent
    os.write(descriptor, b"through")
    assert os.read(reader, 10) == b"through"
    one.close()
    assert wire.receive(other) is None
    for handle in (reader, writer, descriptor):
        os.close(handle)


@pytest.mark.parametrize("sent", [b"\0\0", b"\xff\xff\xff\xff{", b"\0\0\0\x04[1]", b"\0\0\0\x02{", b"\0\0\0\x02{]"])
def test_a_message_that_is_none_is_refused(sent: bytes) -> None:
    one, other = socket.socketpair()
    one.sendall(sent)
    one.close()
    with pytest.raises(OSError, match="a message"):
        wire.receive(other)


def as_another_user(path: Path) -> int:
    """A process of another user's that connects; it ends with the errno where it cannot, and with 0 where it was told nothing."""
    pid = os.fork()
    if pid == 0:
        code = 255
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            stranger = socket.socket(socket.AF_UNIX)
            stranger.settimeout(30)
            stranger.connect(str(path))
            code = len(stranger.recv(1))
        except OSError as cause:
            code = cause.errno or 255
        finally:
            os._exit(code)
    return pid


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_another_user_is_refused() -> None:
    place = Path(f"/tmp/twilight-{os.getpid()}")  # where another user can look for it
    place.mkdir(mode=0o755)
    try:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "socket"))
        (place / "socket").chmod(0o666)
        listener.listen()
        listener.settimeout(30)
        stranger = as_another_user(place / "socket")
        connection, _ = listener.accept()
        with pytest.raises(wire.NotOurs, match=str(NOBODY)):
            wire.must_be_own(connection)
        connection.close()
        assert os.waitstatus_to_exitcode(os.waitpid(stranger, 0)[1]) == 0
        place.chmod(0o700)
        stranger = as_another_user(place / "socket")
        assert os.waitstatus_to_exitcode(os.waitpid(stranger, 0)[1]) == errno.EACCES
    finally:
        (place / "socket").unlink(missing_ok=True)
        place.rmdir()


def test_a_folder_that_others_may_look_into_or_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    wire.must_be_private(folder)
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(wire.NotOurs):
        wire.must_be_private(tmp_path / "link")
    folder.chmod(0o750)
    with pytest.raises(wire.NotOurs):
        wire.must_be_private(folder)


def test_a_command_looks_for_the_session_of_its_folder_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_folder: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_folder))
    monkeypatch.chdir(tmp_path)
    assert environment_of(["run", "shop"]) == "local"
    assert environment_of(["run", "--env", "dev", "shop"]) == environment_of(["run", "shop", "--env=dev"]) == "dev"
    assert environment_of(["run", "--env"]) == "local"
    assert socket_for(["run", "shop"]) is None
    folder = folder_of(Path.cwd(), "dev")
    folder.mkdir(parents=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    assert socket_for(["run", "shop", "--env", "dev"]) == folder / "socket"
    for other in (["run", "shop"], ["validate", "--env", "dev"], ["run", "--env", "dev", "--cold"], []):
        assert socket_for(other) is None
    assert folder.parent == root()
    listener.close()


def test_what_a_jvm_takes_from_its_environment_belongs_to_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    here = identity(Path.cwd(), "local")
    monkeypatch.setenv("MY_OWN_WORD", "abc")
    assert difference(here, identity(Path.cwd(), "local")) == ""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc")
    assert difference(here, identity(Path.cwd(), "local")) == "variables: AWS_SECRET_ACCESS_KEY"
    assert difference(here, identity(Path.cwd(), "dev")) == "environment"
    assert difference(here, identity(Path("/"), "local")) == "folder"


def test_a_command_without_a_session_imports_nothing_of_it(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.argv = ['etl', *sys.argv[1:]]\nfrom etl import __main__\n__main__._command = lambda: None\n__main__.main()\n"
        "print(' '.join(sorted(name for name in sys.modules if name.startswith('etl.'))))"
    )

    def imported(*command: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program, *command],
            cwd=tmp_path,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert imported("validate") == imported("show", "x") == "etl.__main__ etl.lazy"
    assert imported("run", "shop") == "etl.__main__ etl.lazy etl.warm etl.warm.address"


def test_the_commands_that_a_session_runs_are_named_alike() -> None:
    assert __main__.STAYED == COMMANDS
