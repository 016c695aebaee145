"""A flow's kind by Spark's analysed plan over empty inputs, or why the flow must not run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.build.starts import starts
from etl.config.diagnostics import Diagnostic
from etl.engine.analysis import classify, conditions, groups, storable
from etl.engine.kinds import KINDS
from etl.engine.run.draft import strategy_of
from etl.engine.session.empty_frame import empty_frame
from etl.engine.session.process_state import activate
from etl.engine.sources.source import open_source
from etl.engine.transform import contract, partitions
from etl.engine.transform.apply import apply, with_views
from etl.errors import ConfigurationError
from etl.planning import sql
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import FlowSpec, InputSpec
    from etl.engine.job import Job


def judge(
    job: Job,
    session: SparkSession,
    given: Mapping[str, DataFrame] | None = None,
) -> classify.Classified:
    """The kind of processing, by Spark's analysed plan over empty inputs; ConfigurationError where it must not run.

    `given`: frames with the columns of inputs that need not be there yet.
    """
    flow, frames = job.flow, given or {}
    activate(session)
    empty = {
        item.name: empty_frame(session, frames[item.name].schema)
        if item.name in frames
        else open_source(item.source).empty(session)
        for item in job.inputs
    }
    changes = frozenset(item.spec.name for item in job.changes)
    now = datetime.now(UTC)
    if flow.groups:
        output, changes = _grouped(job, session, empty)
    else:
        output = apply(
            job, session, {item.name: classify.mark_input(item.spec.name, empty[item.name]) for item in job.inputs}
        )
    classified = classify.check(flow, output, changes, {item.name: item.source.path for item in job.inputs}, now)
    _refuse_reserved(flow, output, feeds=job.has_change_readers and strategy_of(flow, classified.kind) != "append")
    contract.check(flow, output, session)
    classified = replace(classified, warnings=classified.warnings + conditions.check_rows(flow, output))
    _refuse_missing_groups(flow, output)
    _refuse_half_a_table(job, classified)
    KINDS[classified.kind].check_inputs(job, empty)
    if flow.incremental in ("groups", "state"):
        return classified
    if classified.kind == "full" or flow.sink.strategy == "overwrite" or flow.sink.takes == "full":
        if flow.sink.strategy in ("append", "merge", "scd2") or flow.sink.takes == "rows":
            message = f"flow '{flow.name}' writes by {flow.sink.strategy}, which needs rows, but its plan has {classified.operator}"
            raise ConfigurationError(
                [Diagnostic("E203", message, flow.at, "use strategy: overwrite, or a query without it")]
            )
        return replace(classified, kind="full")
    if job.streamed_input.source.reads_change_feed and flow.sink.strategy not in ("merge", "scd2"):
        if flow.incremental == "auto" and flow.sink.strategy is None:
            return replace(classified, kind="full")
        message = f"flow '{flow.name}' appends, but '{job.streamed_input.name}', whose changes it reads, also changes and deletes rows"
        hint = "use strategy: merge, groups or full; or read it as {read: snapshot, on_change: recompute}"
        raise ConfigurationError([Diagnostic("E241", message, flow.at, hint)])
    by_text = sql.classify_flow(flow) if flow.incremental == "auto" and flow.sink.strategy is None else None
    return replace(
        classified, kind=by_text.kind if by_text is not None else "rows"
    )  # as the plan without a JVM has told the user


def _grouped(job: Job, session: SparkSession, empty: Mapping[str, DataFrame]) -> tuple[DataFrame, frozenset[str]]:
    """The output of a flow of groups, each of its own inputs marked with its groups, and the names of those that change.

    What a view reads is marked, too, under another name: the view's rows must each follow from one row of it.
    """
    flow = job.flow
    behind = {
        flow_input.name: classify.mark_input(f".{flow_input.name}", empty[flow_input.name]) for flow_input in job.inputs
    }
    datasets = with_views(job, session, behind if flow.views else empty)
    conditions.check_groups(flow, {input_spec.name: datasets[input_spec.dataset] for input_spec in flow.own_inputs})
    moving = frozenset(f".{flow_input.name}" for flow_input in job.changes)
    for input_spec in flow.own_inputs:
        mixing = "" if input_spec.dataset in empty else classify.row_by_row(datasets[input_spec.dataset], moving)
        if input_spec.read == "changes" and mixing:
            message = f"flow '{flow.name}' has groups over the changes of the view '{input_spec.dataset}', and the view has {mixing}: a new row of its inputs does not tell which groups it affects"
            hint = "let the view be a flow that stores its rows; or use incremental: full"
            raise ConfigurationError([Diagnostic("E263", message, input_spec.at, hint)])

    def marked(input_spec: InputSpec, frame: DataFrame) -> DataFrame:
        if input_spec.read == "changes":
            return groups.mark_groups(input_spec.name, frame, flow.groups)
        return classify.mark_input(input_spec.name, frame)

    changes = frozenset(input_spec.name for input_spec in flow.own_inputs if input_spec.read == "changes")
    return apply(job, session, behind if flow.views else empty, marked), changes


def _refuse_half_a_table(job: Job, classified: classify.Classified) -> None:
    """A kind that reads its inputs whole cannot have a table that starts in its middle."""
    for flow_input in job.inputs if KIND_TRAITS[classified.kind].needs_whole_inputs else ():
        if flow_input.source.format in ("delta", "table") and starts(
            flow_input.source.start_ms, flow_input.source.start_version
        ):
            message = f"flow '{job.flow.name}' needs the whole of '{flow_input.name}', which has a start_at, for its plan has {classified.operator}"
            hint = "a table's version does not tell its newer rows from the older: filter by a column in the transform"
            raise ConfigurationError([Diagnostic("E202", message, flow_input.spec.at, hint)])


def _refuse_missing_groups(flow: FlowSpec, output: DataFrame) -> None:
    returned = [name.lower() for name in output.columns]
    for group in flow.groups:
        if group.column.lower() not in returned:
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
    for key, chosen in (("partition_by", flow.sink.partition_by), ("cluster_by", flow.sink.cluster_by)):
        for name in chosen:
            if name.lower() not in names:
                message = f"sink.{key} of flow '{flow.name}' names '{name}', which the transform does not return"
                raise ConfigurationError(
                    [Diagnostic("E345", message, flow.sink.at, f"the transform returns: {', '.join(output.columns)}")]
                )
    partitions.check(flow, output)
