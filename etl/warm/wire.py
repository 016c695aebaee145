"""Messages between a command and a session that stays, over a socket of the system's: JSON, and descriptors beside it."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_LENGTH = struct.Struct("!I")
_MOST_BYTES = 64 * 1024**2
_MOST_DESCRIPTORS = 8
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: ucred of socket(7)


class NotOurs(OSError):
    """The socket, its folder or who is at its other end is another user's."""


def send(connection: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message. Raises OSError where nobody is there."""
    data = json.dumps(message).encode("ascii")
    packed = _LENGTH.pack(len(data)) + data
    if descriptors:
        sent = socket.send_fds(connection, [packed], list(descriptors))
        packed = packed[sent:]
    connection.sendall(packed)


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """One message, and the descriptors that came with it; None where the other end has closed.

    Raises OSError where it is cut off, or none of ours.
    """
    data, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, _MOST_DESCRIPTORS)
    if not data:
        return None
    try:
        head = data + _read(connection, _LENGTH.size - len(data))
        (length,) = _LENGTH.unpack(head)
        if length > _MOST_BYTES:
            raise OSError(f"a message of {length} bytes")
        message = json.loads(_read(connection, length))
        if not isinstance(message, dict):
            raise OSError("a message that is no object")
    except (OSError, ValueError) as cause:
        for descriptor in descriptors:
            os.close(descriptor)
        raise OSError(f"a message that cannot be read: {cause}") from cause
    return message, list(descriptors)


def _read(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count:
        part = connection.recv(min(count, 1024**2))
        if not part:
            raise OSError("the connection was cut off")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def must_be_private(folder: Path) -> None:
    """Raise NotOurs unless a folder is this user's, and nobody else may look into it."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise NotOurs(f"{folder} is not a folder of this user's alone")


def must_be_own(connection: socket.socket) -> None:
    """Raise NotOurs unless the process at the other end is this user's."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(packed)
    if uid != os.getuid():
        raise NotOurs(f"a process of user {uid}")
