"""`etl plan`: what a run would do, from the files alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.checks.sources import no_batch
from etl.config.views import readers
from etl.engine.inspection import verification_record
from etl.engine.inspection.empty_inputs import empty_inputs
from etl.engine.inspection.flow_state import read_state
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.metadata.delta_log import last_committed
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.errors import ConfigurationError, EnvironmentProblem, EtlError, StoreSilent
from etl.planning.decision import decide, told_as_int96
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.kinds import KIND_TRAITS
from etl.planning.plan import FlowPlan, Plan
from etl.planning.selectors import select
from etl.planning.sql import classify_flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.diagnostics import Diagnostic
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.planning.decision import Opened
    from etl.planning.kinds import Kind
    from etl.planning.plan import Action, Committed
    from etl.planning.request import RunRequest


def plan(spec: PipelineSpec, request: RunRequest, *, sessions: Sessions | None = None) -> Plan:
    """The plan of the run that `request` asks for; its trigger and its leave to lose history change nothing in a plan.

    Writes nothing, and starts no JVM, except where only a catalog knows where a source lies: it is asked in one of `sessions`, or
    in a session that ends with this call.
    Raises ConfigurationError for what cannot be planned, and EnvironmentProblem where storage cannot be read.
    """
    must_be_readable(spec)
    graph = Graph.of(spec)
    selected = select(graph, spec, request.select, request.exclude)
    flows = [flow for flow in spec.flows if flow.name in selected]
    mistakes = unplannable(spec, flows, request)
    if mistakes:
        raise ConfigurationError(mistakes)
    spec = located(spec, {item.dataset for flow in flows for item in flow.inputs}, sessions)
    planned: dict[str, FlowPlan] = {}
    problems: list[str] = []
    warnings: list[str] = [warning.render() for warning in spec.warnings]
    warnings += [
        f"view '{view.name}' is read by no flow, so nothing is ever made of it"
        for view in spec.views
        if not readers(spec, view.name)
    ]
    for name in selected:
        flow = spec.flow(name)
        if flow is not None:
            parents = tuple(parent for parent in selected if parent in graph.upstream(name))
            moving = [parent for parent in parents if planned[parent].action != "unchanged"]
            outlook = _outlook(spec, flow, request, moving)
            planned[name] = _flow_plan(spec, flow, request, outlook, parents)
            warnings += _warnings(spec, flow, outlook)
            problems += outlook.problems
    return Plan(spec, request.mode or spec.run.mode, tuple(planned.values()), tuple(warnings), tuple(problems))


def unplannable(spec: PipelineSpec, flows: Iterable[FlowSpec], request: RunRequest) -> list[Diagnostic]:
    """What keeps these flows from running in the mode that is asked for, as far as the files tell."""
    return [mistake for flow in flows for mistake in no_batch(spec, flow, request.mode or flow.mode)]


def located(spec: PipelineSpec, read: set[str], sessions: Sessions | None) -> PipelineSpec:
    """The spec with the places of the sources that are tables of a catalog, for those that are read."""
    if not any(source.table and source.name in read for source in spec.sources):
        return spec
    from etl.engine.sources.catalog import located as find  # noqa: PLC0415  # only such a plan needs Spark

    used = sessions or Sessions(spec.spark, storage=spec.storage, app_name=f"etl plan {spec.name}", short=True)
    try:
        return find(spec, read, used.get().flow_session(spec.run.timezone))
    finally:
        if used is not sessions:
            used.close()


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a run would do with one flow, as far as can be told.

    Attributes:
        generation: The one it would resume or open; None where that cannot be told.
        committed: The newest epoch in the target; None where there is none, or it was not looked at.
        opened: The newest generation that was opened; None as for `committed`.
        warnings: What a person should know of it.
        problems: Those of them that the environment must mend.
    """

    digest: str
    action: Action
    reason: str
    generation: int | None = None
    committed: Committed | None = None
    opened: Opened | None = None
    warnings: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def _outlook(spec: PipelineSpec, flow: FlowSpec, request: RunRequest, moving: list[str]) -> _Outlook:
    """The decision of a run on the flow; open where flows above it, `moving`, will write first, or where it cannot be told."""
    digest = fingerprint(spec, flow).digest
    if moving:
        return _Outlook(digest, "after upstream", f"depends on what {', '.join(moving)} will have written")
    mode = request.mode or flow.mode
    committed = opened = None
    try:
        state = read_state(spec, flow, mode=mode)
        committed, opened = state.committed, state.opened
        decision = decide(
            mode=mode,
            inputs=spec.as_stored(flow).inputs,
            fingerprint=digest,
            state=state,
            full_refresh=request.full_refresh,
        )
    except StoreSilent:
        raise  # the other flows would wait for it in vain, too
    except EtlError as cause:
        warning = f"{flow.name}: {cause.what}"
        problems = (warning,) if isinstance(cause, EnvironmentProblem) else ()
        return _Outlook(
            digest, "after upstream", cause.what, None, committed, opened, warnings=(warning,), problems=problems
        )
    warnings = [f"{flow.name}: {message}" for message in decision.warnings]
    if decision.refused:
        warnings.append(f"{flow.name}: refused: {decision.reason}; {decision.refused}")
    if decision.lost:
        warnings.append(f"{flow.name}: refused without --allow-history-loss, for rows would be lost: {decision.lost}")
    return _Outlook(
        digest, decision.action, decision.reason, decision.generation, committed, opened, warnings=tuple(warnings)
    )


def _flow_plan(
    spec: PipelineSpec, flow: FlowSpec, request: RunRequest, outlook: _Outlook, parents: tuple[str, ...]
) -> FlowPlan:
    opened = outlook.opened
    kind, decided_by = _kind(flow, opened if opened and opened.fingerprint == outlook.digest else None)
    return FlowPlan(
        flow=flow,
        mode=request.mode or flow.mode,
        kind=kind,
        decided_by=decided_by,
        strategy=flow.sink.strategy or (KIND_TRAITS[kind].default_strategy if kind else None),
        action=outlook.action,
        reason=outlook.reason,
        fingerprint=outlook.digest,
        upstream=parents,
        target=FlowPaths.of(spec, flow).target,
        generation=outlook.generation,
        committed=outlook.committed,
    )


def _warnings(spec: PipelineSpec, flow: FlowSpec, outlook: _Outlook) -> list[str]:
    """What a person should know of a flow before it runs."""
    unproved = verification_record.warning_of(spec, flow, outlook.digest)
    warnings = [f"{flow.name}: {unproved}"] if unproved else []
    warnings += outlook.warnings
    if outlook.committed is None and outlook.action != "after upstream":
        warnings += [f"{flow.name}: {message}" for message in empty_inputs(spec, flow)]
    if flow.was and outlook.committed is None and outlook.opened is None and outlook.action == "new generation":
        warnings.append(
            f"{flow.name}: was: {flow.was} keeps nothing, since nothing is stored under that name;"
            " it is the first name that the flow ever had, and stays as it is when the flow is renamed again"
        )
    dated = _with_int96(FlowPaths.of(spec, flow), outlook.committed)
    if dated and told_as_int96(dated) not in outlook.reason:
        warnings.append(f"{flow.name}: {told_as_int96(dated)}; the next batch rebuilds it")
    return warnings


def _with_int96(paths: FlowPaths, committed: Committed | None) -> tuple[str, ...]:
    """The tables of a flow with instants as INT96."""
    try:
        return tables_with_int96(paths, committed or last_committed(paths.target))
    except EtlError:  # a log that cannot be read is told of where its flow is decided
        return ()


def _kind(flow: FlowSpec, opened: Opened | None) -> tuple[Kind | None, str]:
    if flow.incremental != "auto":
        return flow.incremental, "declared"
    if opened is not None:
        return opened.kind, "Spark's analysed plan, when the generation was opened"
    decision = classify_flow(flow)
    if decision is not None:
        is_by_rows = KIND_TRAITS[decision.kind].streams
        return decision.kind, decision.operator if is_by_rows else f"{decision.operator} at {decision.at}"
    return None, "Spark's analysed plan, when the flow first runs"
