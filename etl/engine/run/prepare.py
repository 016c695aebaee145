"""A decision made into a job: the plan judged by Spark, the generation opened or resumed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.build.starts import starts
from etl.config.build.state import not_a_time
from etl.config.diagnostics import Diagnostic
from etl.engine.analysis import classify, conditions, groups, storable
from etl.engine.crash_points import Point, reach
from etl.engine.inspection import verification_record
from etl.engine.inspection.flow_state import inputs_of
from etl.engine.job import Job
from etl.engine.metadata.epoch_records import recorded_pins
from etl.engine.metadata.generations import MICROS, Generation, is_drained, open_generation, read_generation
from etl.engine.sources.source import open_source
from etl.engine.state.query import judge_state
from etl.engine.storage.layout import FlowPaths
from etl.engine.transform import contract, partitions
from etl.engine.transform.apply import apply, with_views
from etl.errors import ConfigurationError, FlowFailed
from etl.planning import sql
from etl.planning.plan import DEFAULT_STRATEGY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import FlowSpec, InputSpec, Mode, PipelineSpec, Strategy
    from etl.planning.decision import Decision
    from etl.planning.plan import Kind
    from etl.planning.position import Pin


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job, and whether its source's rate limit holds in it."""

    job: Job
    limited: bool
    warnings: tuple[str, ...] = ()  # of the plan of a new generation

    def unbounded(self) -> Prepared:
        """The same generation going on as a stream."""
        return Prepared(replace(self.job, last_epoch=None), limited=True)


def prepare(
    spec: PipelineSpec,
    flow: FlowSpec,
    decision: Decision,
    session: SparkSession,
    *,
    fingerprint: str,
    mode: Mode,
    run_id: str,
) -> Prepared:
    """The job that carries `decision` out. Opens the generation where it is new; nothing else is written."""
    paths = FlowPaths.of(spec, flow)
    complete = mode == "batch" or decision.rebuild == "batch"
    found = read_generation(paths, decision.generation) if decision.action == "resume" else None
    opened = Generation(decision.generation, paths.generation(decision.generation), fingerprint, "full", run_id)
    draft = replace(draft_of(spec, flow, opened), last_epoch=0 if complete else None)
    if decision.action == "resume":
        if found is None:
            raise FlowFailed(
                f"generation {decision.generation} of flow '{flow.name}' has lost its record",
                hint="run with --full-refresh",
            )
        job = _with(draft, found, _strategy(flow, found.kind))
        if found.kind == "state":
            session.conf.set("spark.sql.shuffle.partitions", str(found.partitions))
            job = replace(job, last_epoch=None, pins=_pinned(job, found))
        return Prepared(job, limited=not complete)
    judged = judge(draft, session)
    unproved = verification_record.unproved(spec, flow, fingerprint, judged.opaque)
    if unproved is not None:
        raise ConfigurationError([unproved])
    kind = judged.kind
    generation = replace(
        opened,
        kind=kind,
        feeds=tuple(item.name for item in draft.changes if item.source.feed),
        sources=tuple((item.name, index) for index, item in enumerate(draft.changes)),
        places=tuple((item.name, item.source.path) for item in draft.changes),
        instants=MICROS,
    )
    job = _with(draft, generation, _strategy(flow, kind))
    if kind == "state":
        job = _stateful(job, session, held=complete)
    open_generation(job.generation)
    reach(Point.GENERATION_OPENED)
    return Prepared(job, limited=not complete, warnings=judged.warnings)


def _stateful(job: Job, session: SparkSession, *, held: bool) -> Job:
    """The job of a new generation of state: judged by Spark as a stream, what is pinned with it recorded."""
    job = replace(job, last_epoch=None, pins=_pinned(job, None))
    judged = judge_state(job, session)
    generation = replace(
        job.generation,
        held=held,
        sources=judged.sources,
        behind_ms=judged.behind_ms,
        partitions=int(session.conf.get("spark.sql.shuffle.partitions") or 0),
    )
    return replace(job, generation=generation)


def _pinned(job: Job, going_on: Generation | None) -> tuple[tuple[str, Pin], ...]:
    """What a query of state reads its snapshots at; an epoch that is done again is done at what it was started with."""
    if going_on is not None and not is_drained(going_on.path):
        return tuple(recorded_pins(going_on.path).items())
    snapshots = [item for item in job.inputs if item.spec.read == "snapshot"]
    return tuple((item.name, open_source(item.source).latest()) for item in snapshots)


def draft_of(spec: PipelineSpec, flow: FlowSpec, generation: Generation) -> Job:
    """What can be said of the flow's job before its plan is judged: as if everything were computed anew."""
    return Job(
        pipeline=spec.name,
        flow=flow,
        inputs=inputs_of(spec, flow),
        kind="full",
        strategy="overwrite",
        paths=FlowPaths.of(spec, flow),
        generation=generation,
        run_id=generation.opened_by,
        fingerprint=generation.fingerprint,
        params=tuple(spec.params_of(flow).items()),
        folder=str(spec.folder),
        project=str(spec.project),
        followed=any(
            item.dataset == flow.name and item.read == "changes" for other in spec.flows for item in other.inputs
        ),
        last_epoch=0,
    )


def judge(
    job: Job,
    session: SparkSession,
    given: Mapping[str, DataFrame] | None = None,
) -> classify.Classified:
    """The kind of processing, by Spark's analysed plan over empty inputs; ConfigurationError where it must not run.

    `given`: frames with the columns of inputs that need not be there yet.
    """
    flow, known = job.flow, given or {}
    empty = {
        item.name: session.createDataFrame([], known[item.name].schema)
        if item.name in known
        else open_source(item.source).empty(session)
        for item in job.inputs
    }
    changes = frozenset(item.spec.name for item in job.changes)
    called = datetime.now(UTC)
    if flow.groups:
        output, changes = _grouped(job, session, empty)
    else:
        output = apply(
            job, session, {item.name: classify.marked(item.spec.name, empty[item.name]) for item in job.inputs}
        )
    found = classify.check(flow, output, changes, {item.name: item.source.path for item in job.inputs}, called)
    _refuse_reserved(flow, output, feeds=job.followed and _strategy(flow, found.kind) != "append")
    contract.check(flow, output, session)
    found = replace(found, warnings=found.warnings + conditions.check_rows(flow, output))
    _refuse_missing_groups(flow, output)
    _refuse_half_a_table(job, found)
    if found.kind == "groups":
        return found
    if found.kind == "state":
        _refuse_watermarks(job, empty)
        return found
    if found.kind == "full" or flow.sink.strategy == "overwrite" or flow.sink.takes == "full":
        if flow.sink.strategy in ("append", "merge", "scd2") or flow.sink.takes == "rows":
            message = f"flow '{flow.name}' writes by {flow.sink.strategy}, which needs rows, but its plan has {found.operator}"
            raise ConfigurationError(
                [Diagnostic("E203", message, flow.at, "use strategy: overwrite, or a query without it")]
            )
        return replace(found, kind="full")
    if job.arriving.source.feed and flow.sink.strategy not in ("merge", "scd2"):
        if flow.incremental == "auto" and flow.sink.strategy is None:
            return replace(found, kind="full")
        message = f"flow '{flow.name}' appends, but '{job.arriving.name}', whose changes it reads, also changes and deletes rows"
        hint = "use strategy: merge, groups or full; or read it as {read: snapshot, on_change: recompute}"
        raise ConfigurationError([Diagnostic("E241", message, flow.at, hint)])
    by_text = sql.classify_flow(flow) if flow.incremental == "auto" and flow.sink.strategy is None else None
    return replace(
        found, kind=by_text.kind if by_text is not None else "rows"
    )  # as the plan without a JVM has told the user


def _grouped(job: Job, session: SparkSession, empty: Mapping[str, DataFrame]) -> tuple[DataFrame, frozenset[str]]:
    """The output of a flow of groups, each of its own inputs marked with its groups, and the names of those that change.

    What a view reads is marked, too, under another name: the view's rows must each follow from one row of it.
    """
    flow = job.flow
    behind = {item.name: classify.marked(f".{item.name}", empty[item.name]) for item in job.inputs}
    known = with_views(job, session, behind if flow.views else empty)
    conditions.check_groups(flow, {item.name: known[item.dataset] for item in flow.own_inputs})
    moving = frozenset(f".{item.name}" for item in job.changes)
    for item in flow.own_inputs:
        mixing = "" if item.dataset in empty else classify.row_by_row(known[item.dataset], moving)
        if item.read == "changes" and mixing:
            message = f"flow '{flow.name}' groups the changes of the view '{item.dataset}', which has {mixing}, so that no new row tells its groups"
            hint = "let the view be a flow that stores its rows; or use incremental: full"
            raise ConfigurationError([Diagnostic("E263", message, item.at, hint)])

    def marked(item: InputSpec, frame: DataFrame) -> DataFrame:
        if item.read == "changes":
            return groups.marked(item.name, frame, flow.groups)
        return classify.marked(item.name, frame)

    changes = frozenset(item.name for item in flow.own_inputs if item.read == "changes")
    return apply(job, session, behind if flow.views else empty, marked), changes


def _refuse_half_a_table(job: Job, found: classify.Classified) -> None:
    """A kind that reads its inputs whole cannot have a table that starts in its middle."""
    for item in job.inputs if found.kind in ("groups", "full") else ():
        if item.source.format in ("delta", "table") and starts(item.source.start_ms, item.source.start_version):
            message = f"flow '{job.flow.name}' needs the whole of '{item.name}', which has a start_at, for its plan has {found.operator}"
            hint = "a table's version does not tell its newer rows from the older: filter by a column in the transform"
            raise ConfigurationError([Diagnostic("E202", message, item.spec.at, hint)])


def _refuse_watermarks(job: Job, empty: Mapping[str, DataFrame]) -> None:
    """No watermark over what is no time, and no state over rows that change or go."""
    flow = job.flow
    for item in job.changes:
        if item.source.feed:
            message = f"flow '{flow.name}' keeps state over '{item.name}', whose rows also change and go; Spark's state takes none of them back"
            hint = "use incremental: groups or full; or read it as {read: snapshot, on_change: recompute}"
            raise ConfigurationError([Diagnostic("E241", message, item.spec.at, hint)])
        types = {field.name.lower(): field.dataType.simpleString().upper() for field in empty[item.name].schema.fields}
        wrong = not_a_time(flow, job.state.of(item.spec.name), types)
        if wrong is not None:
            raise ConfigurationError([wrong])


def _refuse_missing_groups(flow: FlowSpec, output: DataFrame) -> None:
    known = [name.lower() for name in output.columns]
    for group in flow.groups:
        if group.column.lower() not in known:
            message = f"the group '{group.column}' of flow '{flow.name}' is no column of what the transform returns"
            hint = f"return it, or name one of: {', '.join(output.columns)}"
            raise ConfigurationError([Diagnostic("E345", message, group.at, hint)])


def _refuse_reserved(flow: FlowSpec, output: DataFrame, *, feeds: bool) -> None:
    names = [name.lower() for name in output.columns]
    taken = [name for name in names if name.startswith("_etl_")]
    twice = sorted({name for name in names if names.count(name) > 1})
    if taken or twice:
        what = f"a column '{taken[0]}', a name of the framework's own" if taken else f"two columns named '{twice[0]}'"
        raise ConfigurationError(
            [Diagnostic("E345", f"the transform of flow '{flow.name}' returns {what}", flow.at, "rename it")]
        )
    if not flow.sink.takes:
        storable.check(flow, output, feeds=feeds)
    for key, wanted in (("partition_by", flow.sink.partition_by), ("cluster_by", flow.sink.cluster_by)):
        for name in wanted:
            if name.lower() not in names:
                message = f"sink.{key} of flow '{flow.name}' names '{name}', which the transform does not return"
                raise ConfigurationError(
                    [Diagnostic("E345", message, flow.sink.at, f"the transform returns: {', '.join(output.columns)}")]
                )
    partitions.check(flow, output)


def _strategy(flow: FlowSpec, kind: Kind) -> Strategy:
    return flow.sink.strategy or DEFAULT_STRATEGY[kind]


def _with(job: Job, generation: Generation, strategy: Strategy) -> Job:
    return replace(job, generation=generation, kind=generation.kind, strategy=strategy)
