"""`etl plan`: what a run would do, from the files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.checks.sources import no_batch
from etl.config.views import readers
from etl.engine.inspection import verification_record
from etl.engine.inspection.flow_state import read_state
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.metadata.delta_log import last_committed
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.errors import ConfigurationError, EnvironmentProblem, EtlError, StoreSilent
from etl.planning.decision import decide, told_as_int96
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.plan import DEFAULT_STRATEGY, FlowPlan, Plan
from etl.planning.selectors import select
from etl.planning.sql import classify_flow

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, Mode, PipelineSpec
    from etl.planning.decision import Opened
    from etl.planning.plan import Action, Committed, Kind
    from etl.planning.request import RunRequest


def plan(spec: PipelineSpec, request: RunRequest, *, sessions: Sessions | None = None) -> Plan:
    """The plan of the run that `request` asks for; its trigger and its leave to lose history change nothing in a plan.

    Writes nothing, and starts no JVM, except where only a catalog knows where a source lies.

    It is asked in one of `sessions`, or in a session that ends with this call.
    """
    must_be_readable(spec)
    graph = Graph.of(spec)
    selected = select(graph, spec, request.select, request.exclude)
    mode = request.mode
    flows = [flow for flow in spec.flows if flow.name in selected]
    refused = [item for flow in flows for item in no_batch(spec, flow, mode or flow.mode)]
    if refused:
        raise ConfigurationError(refused)
    spec = located(spec, {item.dataset for flow in flows for item in flow.inputs}, sessions)
    planned: dict[str, FlowPlan] = {}
    problems: list[str] = []
    warnings: list[str] = [item.render() for item in spec.warnings]
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
            planned[name], said, lacking = _flow(
                spec, flow, mode or flow.mode, parents, moving, full_refresh=request.full_refresh
            )
            warnings += said
            problems += lacking
    return Plan(spec, mode or spec.run.mode, tuple(planned.values()), tuple(warnings), tuple(problems))


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


def _flow(
    spec: PipelineSpec, flow: FlowSpec, mode: Mode, parents: tuple[str, ...], moving: list[str], *, full_refresh: bool
) -> tuple[FlowPlan, list[str], list[str]]:
    digest = fingerprint(spec, flow).digest
    committed, opened, generation = None, None, None
    action: Action = "after upstream"
    reason = f"depends on what {', '.join(moving)} will have written" if moving else ""
    doubt = verification_record.doubt(spec, flow, digest)
    warnings = [f"{flow.name}: {doubt}"] if doubt else []
    problems = []
    if not moving:
        try:
            state = read_state(spec, flow, mode=mode)
            committed, opened = state.committed, state.opened
            decision = decide(mode=mode, inputs=flow.inputs, fingerprint=digest, state=state, full_refresh=full_refresh)
            action, reason, generation = decision.action, decision.reason, decision.generation
            warnings += [f"{flow.name}: {message}" for message in decision.warnings]
            if decision.refused:
                warnings.append(f"{flow.name}: refused: {decision.reason}; {decision.refused}")
            if decision.lost:
                warnings.append(
                    f"{flow.name}: refused without --allow-history-loss, for rows would be lost: {decision.lost}"
                )
        except StoreSilent:
            raise  # the other flows would wait for it in vain, too
        except EtlError as cause:
            reason = cause.what
            warnings.append(f"{flow.name}: {cause.what}")
            if isinstance(cause, EnvironmentProblem):
                problems.append(warnings[-1])
    paths = FlowPaths.of(spec, flow)
    dated = _with_int96(paths, committed)
    if dated and told_as_int96(dated) not in reason:
        warnings.append(f"{flow.name}: {told_as_int96(dated)}; the next batch rebuilds it")
    kind, decided_by = _kind(flow, opened if opened and opened.fingerprint == digest else None)
    strategy = flow.sink.strategy or (DEFAULT_STRATEGY[kind] if kind else None)
    found = FlowPlan(
        flow=flow,
        mode=mode,
        kind=kind,
        decided_by=decided_by,
        strategy=strategy,
        action=action,
        reason=reason,
        fingerprint=digest,
        upstream=parents,
        target=paths.target,
        generation=generation,
        committed=committed,
    )
    return found, warnings, problems


def _with_int96(paths: FlowPaths, committed: Committed | None) -> tuple[str, ...]:
    try:
        return tables_with_int96(paths, committed or last_committed(paths.target))
    except EtlError:  # a log that cannot be read is told of where its flow is decided
        return ()


def _kind(flow: FlowSpec, opened: Opened | None) -> tuple[Kind | None, str]:
    if flow.incremental != "auto":
        return flow.incremental, "declared"
    if opened is not None:
        return opened.kind, "Spark's analysed plan, when the generation was opened"
    found = classify_flow(flow)
    if found is not None:
        return found.kind, f"{found.operator} at {found.at}" if found.kind == "full" else found.operator
    return None, "Spark's analysed plan, when the flow first runs"
