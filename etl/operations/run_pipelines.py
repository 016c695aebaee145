"""`etl run` of several pipelines: each a run of its own, in the order of their links, in as few Spark sessions as their settings allow."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.secrets import redacted
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError, EtlError
from etl.operations.plan import unplannable
from etl.operations.run import is_little, run
from etl.planning.events import FlowFinished, RunFinished, RunStarted, SessionReplaced
from etl.planning.pipeline_order import ordered
from etl.planning.results import FlowResult, RunResult, RunsResult
from etl.planning.run_id import new_run_id
from etl.planning.selectors import select_together
from etl.record.history import record

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.planning.events import Event
    from etl.planning.pipeline_order import OrderedPipeline, SessionSettings
    from etl.planning.request import RunRequest
    from etl.planning.results import Failure
    from etl.planning.selectors import Selection


def runnable(specs: Sequence[PipelineSpec], request: RunRequest) -> tuple[OrderedPipeline, ...]:
    """Those of the pipelines of which `request` selects a flow, in the order in which they run; starts and writes nothing.

    Raises ConfigurationError with every mistake that keeps one of them from being run, or all of them from being run by one command.
    """
    selections = select_together(specs, request.select, request.exclude)
    mistakes = [mistake for each in selections for mistake in unplannable(each.spec, _flows(each), request)]
    mistakes += _namesakes(selections)
    if len(selections) > 1:
        mistakes += [mistake for each in selections for mistake in _endless(each, request)]
    try:
        pipelines = ordered(selections)
    except ConfigurationError as cause:
        raise ConfigurationError([*mistakes, *cause.diagnostics]) from None
    mistakes += _submitted(pipelines)
    if mistakes:
        raise ConfigurationError(mistakes)
    return pipelines


def run_pipelines(
    pipelines: Sequence[OrderedPipeline],
    request: RunRequest,
    *,
    watch: Callable[[], AbstractContextManager[Callable[[Event], None]]],
    tell: Callable[[RunResult], None],
    stop: threading.Event,
) -> RunsResult:
    """Run pipelines that are `runnable`, one after the other; a failure is in the result, not raised.

    What reads a pipeline that failed, directly or through others, is skipped; the others run. Once `stop` is set the pipeline under way ends
    with its epoch, and no other one begins. What a pipeline's events are given to is had from `watch`, for each anew; `tell` is given each
    result as soon as it is there.
    """
    began = time.monotonic()
    results: dict[Path, RunResult] = {}
    reasons: dict[Path, str] = {}
    with closing(_SharedSession(pipelines)) as shared:
        for pipeline in pipelines:
            file = pipeline.spec.file.resolve()
            reason = "the run was asked to stop" if stop.is_set() else _obstacle(pipeline, results, reasons)
            with watch() as emit:
                if reason:
                    reasons[file] = reason
                    results[file] = _skipped(pipeline, request, emit, reason)
                else:
                    results[file] = _run(pipeline, request, emit, stop, shared)
            tell(results[file])
    return RunsResult(tuple(results.values()), round(time.monotonic() - began, 3))


class _SharedSession:
    """The Spark session of the pipelines that are run: kept as long as their settings are the same."""

    def __init__(self, pipelines: Sequence[OrderedPipeline]) -> None:
        self._pipelines = pipelines
        self._settings: SessionSettings | None = None
        self._sessions: Sessions | None = None

    def of(self, pipeline: OrderedPipeline, emit: Callable[[Event], None]) -> Sessions:
        """The session for a pipeline, not opened yet where none was needed; one with other settings is ended, which `emit` is told."""
        if self._sessions is not None and self._settings is not None and self._settings != pipeline.session:
            if self._sessions.at_hand():
                emit(SessionReplaced(pipeline.spec.name, pipeline.session.differing(self._settings)))
            self.close()
        if self._sessions is None:
            sharing = [each.spec for each in self._pipelines if each.session == pipeline.session]
            others = f" and {len(sharing) - 1} more" if len(sharing) > 1 else ""
            self._settings = pipeline.session
            self._sessions = Sessions(
                pipeline.spec.spark,
                storage=pipeline.spec.storage,
                app_name=f"etl {sharing[0].name}{others}",
                short=is_little(*sharing),
            )
        return self._sessions

    def close(self) -> None:
        """End the session, where one was opened."""
        if self._sessions is not None:
            self._sessions.close()
            self._sessions = None


def _flows(selection: Selection) -> list[FlowSpec]:
    return [flow for flow in selection.spec.flows if flow.name in selection.flows]


def _namesakes(selections: Sequence[Selection]) -> Iterator[Diagnostic]:
    """Pipelines with one name in one storage: the tables of the one are those of the other."""
    seen: dict[tuple[str, str], Path] = {}
    for spec in (each.spec for each in selections):
        other = seen.setdefault((spec.name, spec.storage), spec.file)
        if other != spec.file:
            message = f"{other} and {spec.file} are both named '{spec.name}', and would write the same tables"
            yield Diagnostic("E251", message, hint="give one of them another name")


def _endless(selection: Selection, request: RunRequest) -> Iterator[Diagnostic]:
    """The mistake of a pipeline whose run would not end, so that those after it would never begin."""
    for flow in _flows(selection):
        trigger = request.trigger or flow.trigger
        if (request.mode or flow.mode) == "stream" and trigger != "available_now":
            again = "whenever something arrives" if trigger == "continuous" else f"after {trigger}"
            message = (
                f"pipeline '{selection.spec.name}' would never end: flow '{flow.name}' is a stream that runs again {again}, and"
                " several pipelines run one after the other"
            )
            yield Diagnostic("E251", message, flow.at, "say --trigger available_now, or run it by a command of its own")
            return


def _submitted(pipelines: Sequence[OrderedPipeline]) -> Iterator[Diagnostic]:
    """The mistake of pipelines that need several sessions where `spark-submit` has given the only one."""
    first = pipelines[0]
    other = next((each for each in pipelines if each.session != first.session), None)
    if other is not None and "PYSPARK_GATEWAY_PORT" in os.environ:
        names = ", ".join(other.session.differing(first.session))
        message = f"'{first.spec.name}' and '{other.spec.name}' need different Spark sessions ({names}), and spark-submit has one"
        yield Diagnostic("E251", message, hint="submit them one by one")


def _obstacle(pipeline: OrderedPipeline, results: Mapping[Path, RunResult], reasons: Mapping[Path, str]) -> str | None:
    """Why a pipeline is skipped: what it reads failed, or was skipped itself; None where it can run."""
    for file in pipeline.reads:
        if results[file].status == "failed":
            return f"reads {results[file].pipeline}, which failed"
        if file in reasons:
            return f"reads {results[file].pipeline}, which {reasons[file]}"
    return None


def _run(
    pipeline: OrderedPipeline,
    request: RunRequest,
    emit: Callable[[Event], None],
    stop: threading.Event,
    shared: _SharedSession,
) -> RunResult:
    """The run of one pipeline; what keeps it from beginning is the failure of each of its flows."""
    selection = pipeline.selection
    own = replace(request, select=selection.include, exclude=selection.exclude)
    try:
        return run(selection.spec, own, emit=emit, stop=stop, sessions=shared.of(pipeline, emit))
    except EtlError as cause:
        from etl.engine.faults.translation import failure_of  # noqa: PLC0415  # only where something is wrong

        result = _without_work(pipeline, request, failure=failure_of(cause))
        for flow in result.flows:
            emit(FlowFinished(flow))
        return result


def _skipped(pipeline: OrderedPipeline, request: RunRequest, emit: Callable[[Event], None], reason: str) -> RunResult:
    """The recorded run of a pipeline of which nothing is run; a record that cannot be written is a warning of each flow."""
    result = _without_work(pipeline, request, reason=reason)
    try:
        record(pipeline.spec.storage, result)
    except (EtlError, OSError) as cause:
        warning = redacted(f"the run is not in the history, which could not be written: {cause}")
        result = replace(result, flows=tuple(replace(flow, warnings=(warning,)) for flow in result.flows))
    emit(RunStarted(result.run_id, result.pipeline, result.mode, tuple(flow.flow for flow in result.flows)))
    for flow in result.flows:
        emit(FlowFinished(flow))
    emit(RunFinished(result))
    return result


def _without_work(
    pipeline: OrderedPipeline, request: RunRequest, *, reason: str = "", failure: Failure | None = None
) -> RunResult:
    """The result of a run that did not begin: each flow failed by `failure`, or was skipped for `reason`; without the values of secrets."""
    spec = pipeline.spec
    chosen = {flow.name: flow for flow in _flows(pipeline.selection)}
    flows = tuple(
        FlowResult(
            flow=name,
            status="failed" if failure is not None else "skipped",
            mode=request.mode or chosen[name].mode,
            target=FlowPaths.of(spec, chosen[name]).target,
            reason=reason,
            failure=failure,
        )
        for name in pipeline.selection.flows
    )
    return redacted(
        RunResult(
            run_id=new_run_id(),
            pipeline=spec.name,
            mode=request.mode or spec.run.mode,
            status="failed" if failure is not None else "skipped",
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            duration_s=0.0,
            flows=flows,
            storage=spec.storage,
        )
    )
