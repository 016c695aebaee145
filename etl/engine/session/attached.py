"""A command's part of a session that stays: it works in a JVM that another process of the user's keeps, in sessions of its own."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.engine.session.gateway import Gateway, attach_to, detach_from, environment_with, forget
from etl.engine.storage.holder import started

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

APP_NAME = "etl warm"
TUNING = ("spark.driver.extraJavaOptions", "spark.default.parallelism")
"""Settings of a JVM that differ with the size of the data and change nothing but time."""
_LEAF_PARALLELISM = "spark.sql.leafNodeDefaultParallelism"
_EXIT_KNOWN_S, _POLL_S = 3.0, 0.02


@dataclass(frozen=True, slots=True)
class Offer:
    """A JVM that stays, and the door in it that was opened for one command.

    Attributes:
        conf: all settings of its session, as `local_conf` gives them without an archive and for much data.
        scratch: its folder that is thrown away.
        port, secret: of the server of py4j that only this command knows.
        pid: the JVM's; `start` tells it from any other with that pid.
        output: the file of what it writes to its standard output and error.
        exit_file: where its exit code stands once it has ended.
        kills: see `Gateway`.
        variables: the names of the environment variables that it has.
    """

    conf: Mapping[str, str] = field(repr=False)
    scratch: str
    port: int
    secret: str = field(repr=False)
    pid: int
    start: str
    output: str
    exit_file: str
    kills: int | None = None
    variables: tuple[str, ...] = ()


@dataclass(slots=True)
class _Offered:
    """What this process was offered, why it did not take it, where it did not, and what its sessions are set to, where it did."""

    offer: Offer | None = None
    declined: str = ""
    settings: tuple[tuple[str, str], ...] = ()


_STATE = _Offered()


def take_offer(offer: Offer) -> None:
    """Have the sessions of this process opened in a JVM that stays, where its settings are those that a new one would have."""
    _STATE.offer = offer


def offered() -> Offer | None:
    """The JVM that this process may work in; None where there is none, or where it has ended."""
    offer = _STATE.offer
    return offer if offer is not None and started(offer.pid) == offer.start else None


def declined() -> str:
    """Why a session of this process was started anew although one was offered; empty where none was."""
    return _STATE.declined


def settings() -> tuple[tuple[str, str], ...]:
    """What each session of this process is to be set to beside what is pinned, since it works in a JVM of another profile; empty elsewhere."""
    return _STATE.settings


@dataclass(frozen=True, slots=True)
class _ProcessElsewhere:
    """A process that is another one's child; asked as one's own is."""

    pid: int
    start: str
    exit_file: Path

    def poll(self) -> int | None:
        """Its exit code; None where it lives. That of a signal that kills, where its keeper has ended as well and nobody knows."""
        if started(self.pid) == self.start:
            return None
        deadline = time.monotonic() + _EXIT_KNOWN_S
        while time.monotonic() < deadline:
            try:
                return int(self.exit_file.read_text(encoding="ascii"))
            except (OSError, ValueError):
                time.sleep(_POLL_S)
        return -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Attached(Gateway):
    """A JVM that another process started, and that stays when the command ends."""

    stays = True

    def end(self) -> int:
        """Let go of it."""
        _STATE.settings = ()
        detach_from(self)
        self.output.close()
        return 0


def attach(
    offer: Offer, *, as_started: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[SparkSession, Attached, tuple[tuple[str, str], ...]] | None:
    """A session of this process's own in the JVM of `offer`, the gateway to it, and what each flow's own session is to be set to.

    `as_started`: the settings with which this command's profile would have the JVM of the offer started. `wanted`: with which it would
    start one for its own data. None where the two profiles differ in what a running JVM cannot be told, and then nothing was done.
    """
    output = Path(offer.output).open("rb")  # noqa: SIM115  # open as long as the session is
    process: Any = _ProcessElsewhere(offer.pid, offer.start, Path(offer.exit_file))
    memory = offer.conf.get("spark.driver.memory", "")
    gateway = Attached(process, output, memory, offer.kills)
    session = None
    try:
        with environment_with({"PYSPARK_GATEWAY_PORT": str(offer.port), "PYSPARK_GATEWAY_SECRET": offer.secret}):
            session = attach_to(gateway, variables=_variables(offer))
        fixed = _fixed(session, _differing(as_started, offer.conf), wanted)
    except BaseException:
        gateway.end()
        raise
    if fixed:
        _STATE.declined = f"other settings: {', '.join(fixed)}"
        forget(session)
        gateway.end()
        return None
    told = {name: wanted[name] for name in _differing(wanted, offer.conf) if name not in TUNING}
    if wanted.get("spark.default.parallelism") != offer.conf.get("spark.default.parallelism"):
        told.setdefault(_LEAF_PARALLELISM, wanted["spark.default.parallelism"])
    for name, value in told.items():
        session.conf.set(name, value)
    _STATE.settings = tuple(told.items())
    return session, gateway, _STATE.settings


def _variables(offer: Offer) -> dict[str, str]:
    """The environment variables of this process that the JVM does not have, for the Python workers that it starts."""
    return {name: value for name, value in os.environ.items() if name not in offer.variables}


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {**one, **other} if one.get(name) != other.get(name))


def _fixed(session: SparkSession, names: list[str], wanted: Mapping[str, str]) -> list[str]:
    """Of settings, those that a session cannot be set to after its start."""
    return [name for name in names if name not in wanted or not session.conf.isModifiable(name)]
