"""What happens during a run, as values: `operations/run` and the engine emit them, and what draws a run's progress reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from etl.planning.results import Counts, Failure, FlowResult, RunResult


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `flows` in the order of the graph."""

    run_id: str
    pipeline: str
    mode: Literal["batch", "stream"]
    flows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlowWaits:
    """A flow waits for another run, `holder` in words, that works on it."""

    flow: str
    holder: str


@dataclass(frozen=True, slots=True)
class SessionAwaited:
    """A flow's attempt waits for Spark to start."""

    flow: str


@dataclass(frozen=True, slots=True)
class SessionReady:
    """The session that a flow's attempt waited for is there; `pages`: the address of Spark's own pages, told once, where they are on."""

    flow: str
    pages: str | None = None


@dataclass(frozen=True, slots=True)
class DataAwaited:
    """A flow has read all that there was, and looks again in `pause_s`; None: as soon as something arrives."""

    flow: str
    pause_s: float | None


@dataclass(frozen=True, slots=True)
class FlowStarted:
    """A flow's attempt begins."""

    flow: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class EpochCommitted:
    """An epoch is in the target."""

    flow: str
    generation: int
    epoch: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class FlowRetried:
    """An attempt failed for a transient cause; the next one starts after `pause_s`."""

    flow: str
    attempt: int
    pause_s: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class FlowWarned:
    """Something a person should know that does not stop the flow."""

    flow: str
    message: str


@dataclass(frozen=True, slots=True)
class FlowFinished:
    """A flow is done, one way or another."""

    result: FlowResult


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is done."""

    result: RunResult


@dataclass(frozen=True, slots=True)
class SessionReplaced:
    """Of several pipelines the next one cannot share the session of those before it, which has ended; `settings`: the names of what differs."""

    pipeline: str
    settings: tuple[str, ...]


Event: TypeAlias = (
    RunStarted
    | FlowWaits
    | FlowStarted
    | SessionAwaited
    | SessionReady
    | DataAwaited
    | EpochCommitted
    | FlowRetried
    | FlowWarned
    | FlowFinished
    | RunFinished
    | SessionReplaced
)
