"""What happens during a run, as values: the engine emits them, renderers and the history read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Status = Literal["succeeded", "failed", "skipped", "unchanged"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one epoch, or summed over a flow's epochs in one run.

    read: rows of the `changes` inputs, malformed ones among them. written: rows that reached the target (for merge: that
    won). merged: rows of a merge that lost to a greater row of their key. late: rows of a state flow that came later than its
    watermark, and were left out. `read` = parsed + malformed at the source, and late ones among the parsed; the transform's
    rows = written + merged + its dropped + its quarantined.
    """

    read: int = 0
    written: int = 0
    dropped: int = 0
    quarantined: int = 0
    merged: int = 0
    late: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read,
            self.written + other.written,
            self.dropped + other.dropped,
            self.quarantined + other.quarantined,
            self.merged + other.merged,
            self.late + other.late,
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a flow failed: a stable kind, what happened, where in the user's files, and what to do next."""

    kind: Literal["configuration", "environment", "expectation", "run"]
    message: str
    where: str = ""
    hint: str = ""
    transient: bool = False


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What a flow did in one run."""

    flow: str
    status: Status
    mode: Literal["batch", "stream"]
    counts: Counts = Counts()
    epochs: int = 0
    generation: int | None = None
    target: str = ""
    quarantine: str | None = None  # the quarantine table's path, where the flow has one
    duration_s: float = 0.0
    attempts: int = 0
    reason: str = ""  # why it ran, or did not
    warnings: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did, flow by flow, in the order of the graph."""

    run_id: str
    pipeline: str
    mode: Literal["batch", "stream"]
    status: Status
    started_at: str  # ISO 8601, UTC
    duration_s: float
    flows: tuple[FlowResult, ...]
    storage: str = ""

    def __repr__(self) -> str:
        from etl.planning.render import run_text  # noqa: PLC0415  # only who looks at it pays

        return run_text(self)

    def _repr_html_(self) -> str:
        from etl.planning.render import run_html  # noqa: PLC0415  # only who looks at it pays

        return run_html(self)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; `flows` in the order of the graph."""

    run_id: str
    pipeline: str
    mode: Literal["batch", "stream"]
    flows: tuple[str, ...]


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


Event: TypeAlias = RunStarted | FlowStarted | EpochCommitted | FlowRetried | FlowWarned | FlowFinished | RunFinished
