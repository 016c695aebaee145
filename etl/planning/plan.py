"""The plan: an immutable value that `etl plan` shows and `etl run` carries out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.config.secrets import redact
from etl.markup import Markup, card, code, element, folded, quiet, status, table, warnings
from etl.planning.position import Position

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, Mode, PipelineSpec, Strategy
    from etl.planning.kinds import Kind

Action = Literal["unchanged", "resume", "new generation", "after upstream"]


@dataclass(frozen=True, slots=True)
class Committed:
    """The newest epoch in a target, read from its own log.

    Attributes:
        version: Of the Delta table.
        rolled_back_upto: The newest generation that was ever rolled back; its number, and those below it, are never used again.
    """

    version: int
    generation: int
    epoch: int
    to: Position
    fingerprint: str
    kind: Kind
    run: str
    rolled_back_upto: int = -1


@dataclass(frozen=True, slots=True)
class InputSize:
    """What a rebuild reads of one input; None: not known without reading it."""

    dataset: str
    files: int | None = None
    bytes: int | None = None
    rows: int | None = None

    def __str__(self) -> str:
        told = [
            f"{count:,} {what}" for count, what in ((self.rows, "rows"), (self.bytes, "bytes")) if count is not None
        ]
        return f"{self.dataset}: {', '.join(told)}" if told else f"{self.dataset}: unknown"


@dataclass(frozen=True, slots=True)
class FlowPlan:
    """What a run would do with one flow, and why.

    Attributes:
        changes: What of the definition changed since the target's generation was opened; empty where nothing did, or that is not known.
        rebuild_reads: What a rebuild of a target that is there reads; empty where none is due.
    """

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
    changes: tuple[str, ...] = ()
    rebuild_reads: tuple[InputSize, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole run before it happens; flows in topological order, after the selectors."""

    spec: PipelineSpec
    mode: Mode  # --mode, or the run's; flows may have their own
    flows: tuple[FlowPlan, ...]
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()  # why flows cannot be told of: what the environment lacks; among the warnings, too

    def __repr__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return redact(_html(self))


def _text(plan: Plan) -> str:
    """The plan in one line, and one for each flow."""
    lines = []
    for item in plan.flows:
        lines.append(f"  {item.flow.name}: {item.action}" + (f" ({item.reason})" if item.reason else ""))
        lines += [f"    {change}" for change in item.changes]
    return redact("\n".join([f"Plan of {plan.spec.name}, {plan.mode} in environment {plan.spec.environment}", *lines]))


def _html(plan: Plan) -> Markup:
    """The plan: what would be done with each flow, and why."""
    rows = [
        (
            element("b", item.flow.name),
            status(item.action),
            item.generation,
            item.kind or "auto",
            quiet(item.decided_by),
            item.strategy or "append or overwrite",
            "; ".join((item.reason, *item.changes)),
        )
        for item in plan.flows
    ]
    title = ("Plan of", element("b", plan.spec.name), quiet(f"{plan.mode}, environment {plan.spec.environment}"))
    places = table(("flow", "target"), [(item.flow.name, code(item.target)) for item in plan.flows])
    return card(
        title,
        table(("flow", "action", "generation", "kind", "decided by", "writes", "reason"), rows),
        warnings(plan.warnings),
        folded("tables", places),
    )
