"""A plan and a run's result for a notebook, and in the few lines of a plain `repr`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.secrets import redact
from etl.markup import Markup, card, code, element, folded, preformatted, quiet, status, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.planning.events import FlowResult, RunResult
    from etl.planning.plan import Plan


def plan_html(plan: Plan) -> Markup:
    """The plan: what would be done with each flow, and why."""
    rows = [
        (
            element("b", item.flow.name),
            status(item.action),
            item.generation,
            item.kind or "auto",
            quiet(item.decided_by),
            item.strategy or "append or overwrite",
            item.reason,
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


def plan_text(plan: Plan) -> str:
    """The plan in one line, and one for each flow."""
    lines = [f"  {item.flow.name}: {item.action}" + (f" ({item.reason})" if item.reason else "") for item in plan.flows]
    return redact("\n".join([f"Plan of {plan.spec.name}, {plan.mode} in environment {plan.spec.environment}", *lines]))


def run_html(result: RunResult) -> Markup:
    """The result: counts, then whatever went wrong, whole."""
    head = ("flow", "status", "epochs", "read", "written", "dropped", "quarantined", "merged", "late", "seconds", "")
    rows = [
        (
            element("b", flow.flow),
            status(flow.status),
            flow.epochs,
            flow.counts.read,
            flow.counts.written,
            flow.counts.dropped,
            flow.counts.quarantined,
            flow.counts.merged,
            flow.counts.late,
            round(flow.duration_s, 1),
            quiet(flow.reason if flow.status in ("unchanged", "skipped") else ""),
        )
        for flow in result.flows
    ]
    title = (
        status(result.status),
        element("b", result.pipeline),
        quiet(f"{result.mode}, {result.duration_s:.1f} s, run {result.run_id}"),
    )
    said = [f"{flow.flow}: {message}" for flow in result.flows for message in flow.warnings]
    failures = [part for flow in result.flows for part in _failure(flow)]
    places = table(("flow", "table", "set aside"), [_place(flow) for flow in result.flows])
    return card(title, table(head, rows), *failures, warnings(said), folded("tables", places))


def run_text(result: RunResult) -> str:
    """The result in one line, and one for each flow."""
    lines = [
        f"Run {result.run_id} of {result.pipeline}, {result.mode}: {result.status} in {result.duration_s:.1f} s",
        *(
            f"  {flow.flow}: {flow.status}, {flow.counts.read:,} read, {flow.counts.written:,} written"
            for flow in result.flows
        ),
    ]
    failed = [f"  {flow.flow}: {flow.failure.message}" for flow in result.flows if flow.failure is not None]
    return redact("\n".join(lines + failed))


def warnings(messages: Iterable[str]) -> Markup:
    """One line a warning."""
    return Markup("".join(element("div", status("warning"), f" {message}") for message in messages))


def _failure(flow: FlowResult) -> list[Markup]:
    if flow.failure is None:
        return []
    where = f"{flow.failure.where} " if flow.failure.where else ""
    hint = f"\n  {flow.failure.hint}" if flow.failure.hint else ""
    heading = element("div", status("failed"), f" {flow.flow}")
    return [heading, preformatted(f"{where}{flow.failure.message}{hint}")]


def _place(flow: FlowResult) -> tuple[object, ...]:
    aside = code(flow.quarantine) if flow.quarantine is not None and flow.counts.quarantined else None
    return (flow.flow, code(flow.target), aside)
