"""The plan: an immutable value that `etl plan` shows and `etl run` carries out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from etl.config.secrets import redact

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, Mode, PipelineSpec, Strategy

Kind = Literal["rows", "groups", "state", "full"]
STRATEGIES: Mapping[Kind, Strategy] = {
    "rows": "append",
    "groups": "replace",
    "state": "append",
    "full": "overwrite",
}
"""Where a kind's rows go when nobody says otherwise."""

Position: TypeAlias = Mapping[str, Any]  # input → how far it has been read; JSON all the way down
Action = Literal["unchanged", "resume", "new generation", "after upstream"]


@dataclass(frozen=True, slots=True)
class Committed:
    """The newest epoch in a target, read from its own log."""

    version: int  # of the Delta table
    generation: int
    epoch: int
    to: Position
    fingerprint: str
    kind: Kind
    run: str
    retired: int = (
        -1
    )  # the newest generation that was ever rolled back: its number, and those below it, are never used again


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What a run would do with one flow, and why."""

    flow: FlowSpec
    mode: Mode  # --mode, or the flow's own
    kind: Kind | None  # None: `auto` over Python, decided by Spark's analysed plan when the flow first runs
    decided_by: str  # "declared", or the operator and place that decided
    strategy: Strategy | None  # None while the kind is open
    action: Action
    reason: str
    fingerprint: str
    upstream: tuple[str, ...]  # the planned flows that must run first, however far up
    target: str
    generation: int | None  # the one it would resume or open; None while upstream is open
    committed: Committed | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run before it happens; flows in topological order, after the selectors."""

    spec: PipelineSpec
    mode: Mode  # --mode, or the run's; flows may have their own
    flows: tuple[FlowPlan, ...]
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # why flows cannot be told of: what the environment lacks; among the warnings, too

    def __repr__(self) -> str:
        from etl.planning.render import plan_text  # noqa: PLC0415  # only who looks at it pays

        return redact(plan_text(self))

    def _repr_html_(self) -> str:
        from etl.planning.render import plan_html  # noqa: PLC0415  # only who looks at it pays

        return redact(plan_html(self))
