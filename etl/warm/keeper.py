"""The process that keeps the JVM of a session that stays: a child of the server, so that the server itself has no thread and no connection."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic
from etl.config.load import load
from etl.config.project import pipelines
from etl.config.secrets import redact
from etl.engine.storage import scratch
from etl.errors import ConfigurationError, EtlError
from etl.warm import identity, wire

if TYPE_CHECKING:
    from etl.config.spec import PipelineSpec
    from etl.engine.session.staying import StayingSession

_DIED = 3


def keep(server: socket.socket, project: Path, environment: str, folder: Path) -> int:
    """Start the JVM, and open and close its door as the server asks, until it closes the connection; the exit code.

    Tells the server `{"ready": …, "pid": …}` with what a command is to be offered, `{"spent": …}` where a command has left something that
    cannot be taken back, and `{"failed": …}`, in words, where there is no session to be had.
    """
    kept = identity.of_jvm()
    os.environ.clear()
    os.environ.update(kept)
    try:
        spec = any_pipeline(project, environment)
        from etl.engine.session.staying import StayingSession  # noqa: PLC0415  # pyspark only where a session is started

        session = StayingSession(spec.spark, storage=spec.storage, folder=folder)
    except EtlError as cause:
        wire.send(server, {"failed": str(cause)})
        return cause.exit_code
    session.when_it_ends(lambda _: _end(_DIED))
    try:
        _serve(server, session)
        session.close()
    except Exception as cause:  # noqa: BLE001  # whatever it is, the JVM cannot be trusted with a command any more
        print(f"the JVM is given up: {type(cause).__name__}: {redact(str(cause))}", flush=True)  # noqa: T201  # into the log
        _end(_DIED)
    return 0


def _serve(server: socket.socket, session: StayingSession) -> None:
    def offer() -> None:
        wire.send(server, {"ready": asdict(session.open()), "pid": session.pid})

    offer()
    while (message := wire.receive(server)) is not None:
        wanted: Any = message[0].get("do")
        if wanted == "recover":
            left = session.recover()
            if left:
                wire.send(server, {"spent": left})
                return
            offer()
        elif wanted == "collect":
            session.collect()


def _end(code: int) -> None:
    """End the process at once, and remove what its JVM has left."""
    scratch.remove_all()
    os._exit(code)


def any_pipeline(project: Path, environment: str) -> PipelineSpec:
    """A pipeline of the project, for what conf/ says of Spark and of storage, which is the same for each.

    Raises ConfigurationError, of the last one, where none can be read.
    """
    wrong: ConfigurationError | None = None
    for name in pipelines(project):
        try:
            return load(name, environment=environment)
        except ConfigurationError as cause:
            wrong = cause
    if wrong is None:
        message = f"there is no pipeline in {project}"
        raise ConfigurationError([Diagnostic("E120", message, hint="go to the folder that holds pipelines/")])
    raise wrong
