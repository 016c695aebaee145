"""The query of a state flow: its transform over streams, judged by Spark before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from etl.config.build.state import not_a_time
from etl.config.diagnostics import Diagnostic
from etl.engine.faults.advice import followable
from etl.engine.metadata import offset_log
from etl.engine.metadata.delta_log import last_committed
from etl.engine.metadata.generations import checkpoint_progress, is_drained
from etl.engine.session.analysed_plan import (
    Unplannable,
    check_streaming,
    compares_instants,
    keeps_python_state,
    streaming_leaves,
    waits_by_the_clock,
)
from etl.engine.sources.files import FileSource
from etl.engine.sources.source import open_source
from etl.engine.state.event_time import clock_stream, has_clock, publish_newest, unread_clock
from etl.engine.state.staged import remove_staged
from etl.engine.state.watermark import unset_watermark_frame, watermark_frame, with_watermark
from etl.engine.transform.apply import apply
from etl.errors import ConfigurationError, EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Input, Job


def open_state(job: Job, session: SparkSession, *, limited: bool) -> DataFrame:
    """The transform over the changes inputs as streams, less their late rows, beside the snapshots at the job's pins."""
    streams = {item.name: _in_order(item, session, limited=limited) for item in job.changes}
    clocks = {item.name: clock_stream(job, item, session) for item in job.changes if has_clock(job)}
    return _transformed(job, session, streams, watermark=watermark_frame(job, session), clocks=clocks)


def _in_order(flow_input: Input, session: SparkSession, *, limited: bool) -> DataFrame:
    """The input as a stream whose epochs follow from its files alone: which rows are late depends on what came in earlier ones."""
    source = open_source(flow_input.source)
    if isinstance(source, FileSource):
        return source.stream(session, limited=limited, in_order=True)
    return source.stream(session, limited=limited)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be known of a state flow's query before it starts."""

    sources: tuple[tuple[str, int], ...]  # input → which source of the query it is
    behind_ms: int  # by how much Spark's watermark must stay behind ours


def judge_state(job: Job, session: SparkSession) -> Judged:
    """The query judged; ConfigurationError where Spark cannot keep the state that the transform asks for."""
    streams = {item.name: open_source(item.source).stream(session, limited=False) for item in job.changes}
    clocks = {item.name: unread_clock(session) for item in job.changes if has_clock(job)}
    try:
        output = _transformed(job, session, streams, watermark=unset_watermark_frame(session), clocks=clocks)
        check_streaming(output, job.state.output_mode)
    except (AnalysisException, Unplannable) as cause:
        reason = followable(str(cause).split(";\n")[0].split(" SQLSTATE")[0].strip())
        message = f"flow '{job.flow.name}' keeps state by its {job.state.output_mode} mode, and Spark cannot: {reason}"
        hint = "see docs/concepts/state.md for what it can; groups and full take any query"
        raise ConfigurationError([Diagnostic("E265", message, job.flow.at, hint)]) from cause
    _judge_own_state(job, output)
    leaves = streaming_leaves(output)
    own = {name: streaming_leaves(frame)[0] for name, frame in streams.items()}
    indexes = {
        name: next((i for i, leaf in enumerate(leaves) if leaf & columns), None) for name, columns in own.items()
    }
    unread = [name for name, index in indexes.items() if index is None]
    if unread:
        message = f"flow '{job.flow.name}' keeps state over '{unread[0]}', which its transform does not read"
        raise ConfigurationError([Diagnostic("E304", message, job.flow.at, "read it, or take it from the inputs")])
    sources = tuple((name, index) for name, index in indexes.items() if index is not None)
    return Judged(sources, 1 if compares_instants(output) else 0)


def _judge_own_state(job: Job, output: DataFrame) -> None:
    """State that a function of the user's keeps: not by the clock, which no batch could repeat, and with what its Python needs."""
    if waits_by_the_clock(output):
        message = (
            f"flow '{job.flow.name}' sets timers by the machine's clock, so what it writes would differ from run to run"
        )
        raise ConfigurationError([Diagnostic("E262", message, job.flow.at, "let timers go by event time, or set none")])
    if keeps_python_state(output) and not _has_protobuf():
        raise EnvironmentProblem(
            f"flow '{job.flow.name}' uses transformWithState, which needs the package protobuf in Python",
            where=str(job.flow.at),
            hint="pip install 'twilight-etl[state]'",
        )


def _has_protobuf() -> bool:
    try:
        return find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # there is no package `google` at all
        return False


def ready_state(job: Job) -> None:
    """Record what the query reads its snapshots at, and reopen an epoch whose results were due, before the query starts."""
    path = job.generation.path
    planned, completed = checkpoint_progress(path)
    if not job.stages(last_committed(job.paths.target)):
        remove_staged(job)
    job.generation.records.record_pins(dict(job.pins))
    publish_newest(job)
    for flow_input in job.changes:
        if flow_input.source.rate_limit.files is not None or flow_input.source.rate_limit.bytes is not None:
            offset_log.forget_unoffered(job.generation.checkpoint, job.offset_log(flow_input).index)
    if completed is not None and planned == completed and not is_drained(path):
        offset_log.reopen(job.generation.checkpoint, completed)


def settle_state(job: Job) -> None:
    """Record that everything that was due is in the target, and remove what was staged for it: after a query that nobody stopped."""
    completed = checkpoint_progress(job.generation.path)[1]
    if completed is not None:
        job.generation.records.record_drained(completed)
    remove_staged(job)


def refuse_watermarks(job: Job, empty: Mapping[str, DataFrame]) -> None:
    """Raise ConfigurationError for a watermark over what is no time (E243), and for state over rows that change or go (E241)."""
    flow = job.flow
    for flow_input in job.changes:
        if flow_input.source.reads_change_feed:
            message = f"flow '{flow.name}' keeps state over '{flow_input.name}', whose rows also change and go; Spark's state takes none of them back"
            hint = "use incremental: groups or full; or read it as {read: snapshot, on_change: recompute}"
            raise ConfigurationError([Diagnostic("E241", message, flow_input.spec.at, hint)])
        types = {
            field.name.lower(): field.dataType.simpleString().upper() for field in empty[flow_input.name].schema.fields
        }
        diagnostic = not_a_time(flow, job.state.of(flow_input.spec.name), types)
        if diagnostic is not None:
            raise ConfigurationError([diagnostic])


def _transformed(
    job: Job,
    session: SparkSession,
    streams: Mapping[str, DataFrame],
    *,
    watermark: DataFrame,
    clocks: Mapping[str, DataFrame],
) -> DataFrame:
    pins = dict(job.pins)
    frames = {
        item.name: with_watermark(job, item, streams[item.name], watermark=watermark, clock=clocks.get(item.name))
        if item.name in streams
        else open_source(item.source).as_of(session, pins[item.name])
        for item in job.inputs
    }
    return apply(job, session, frames)
