"""What a part of a target is computed anew on: the target's newest epoch, written by this very definition, its inputs as it read them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.engine.inspection.flow_state import read_state
from etl.engine.metadata.generations import Generation
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError, FlowFailed, HistoryLost
from etl.planning.kinds import KIND_TRAITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.engine.job import Job
    from etl.planning.plan import Committed
    from etl.planning.position import Drift

_IN_PARTS = ("append", "merge", "scd2", "replace")


def standing(
    spec: PipelineSpec, flow: FlowSpec, fingerprint: str, *, done: str
) -> tuple[Committed, Mapping[str, Drift]]:
    """The target's newest epoch, and how the inputs have moved since; FlowFailed where there is none that can be built upon.

    `done`: what is not done then, in words such as "backfilled".
    """
    state, at = read_state(spec, flow, mode="stream"), _at(flow)
    committed, opened = state.committed, state.opened
    if state.fault is not None:
        message = f"flow '{flow.name}' cannot be {done}: {state.fault.what}"
        raise FlowFailed(message, where=at, hint=state.fault.hint or "run the flow: it is rebuilt")
    if committed is None:
        message = f"flow '{flow.name}' has no target yet, so there is nothing that can be {done}"
        raise FlowFailed(message, where=at, hint="run it first: a run computes every row")
    if committed.fingerprint != fingerprint:
        message = f"the definition of flow '{flow.name}' is not the one that wrote its target, which must not hold rows of two definitions"
        hint = "run it: with a new definition a run computes every row anew, those in quarantine among them"
        raise FlowFailed(message, where=at, hint=hint)
    if opened is not None and opened.number > committed.generation:
        message = f"flow '{flow.name}': generation {opened.number} was begun and has not reached the target"
        raise FlowFailed(message, where=at, hint="run the flow, which computes every row anew")
    return committed, state.drifts


def readable(flow: FlowSpec, committed: Committed, drifts: Mapping[str, Drift], *, done: str) -> tuple[str, ...]:
    """Warnings of inputs that have changed behind the stream's back; HistoryLost where one cannot be read up to where it was."""
    changes = [item.dataset for item in flow.inputs if item.read == "changes"]
    gone = [f"{name}: {drifts[name].detail}" for name in changes if name in drifts and drifts[name].moved == "lost"]
    if gone:
        message = (
            f"flow '{flow.name}' cannot be {done}: what its target was made of can no longer be read: {'; '.join(gone)}"
        )
        raise HistoryLost(message, where=_at(flow), hint="bring the input back")
    return tuple(
        f"{name}: {drifts[name].detail}; the flow's next run computes every row anew for that"
        for name in changes
        if name in drifts and drifts[name].moved == "rewritten" and KIND_TRAITS[committed.kind].streams
    )


def strategy_of(flow: FlowSpec, committed: Committed, *, code: str, cannot: str, instead: str) -> Strategy:
    """The strategy by which a part of the target is computed anew.

    ConfigurationError `code` where none can be: it begins with `cannot`. `instead`: what to do with a target that is computed whole.
    """
    strategy = flow.sink.strategy or KIND_TRAITS[committed.kind].default_strategy
    if KIND_TRAITS[committed.kind].has_parts and strategy in _IN_PARTS:
        return strategy
    hint = "run it with --full-refresh"
    if not KIND_TRAITS[committed.kind].streams or strategy == "overwrite":
        why, hint = "is computed whole each time", instead
    elif strategy not in _IN_PARTS:
        why = f"writes by the plug-in '{strategy}', which replaces no part of its target"
    else:
        why = "keeps its rows in Spark's state, which has no parts"
    raise ConfigurationError([Diagnostic(code, f"{cannot}: it {why}", flow.at, hint)])


def job_at(
    spec: PipelineSpec, flow: FlowSpec, committed: Committed, strategy: Strategy, *, fingerprint: str, run_id: str
) -> Job:
    """The flow's job in the generation that its target holds."""
    from etl.engine.run.draft import draft_of  # noqa: PLC0415  # pyspark only for what can be done

    number = committed.generation
    path = FlowPaths.of(spec, flow).generation(number)
    generation = Generation(number, path, fingerprint, committed.kind, run_id)
    return replace(draft_of(spec, flow, generation), kind=committed.kind, strategy=strategy)


def flow_of(spec: PipelineSpec, name: str, code: str) -> FlowSpec:
    """The pipeline's flow of that name; ConfigurationError where there is none."""
    found = spec.flow(name)
    if found is None:
        known = [item.name for item in spec.flows]
        hint = did_you_mean(name, known) or f"the flows are: {', '.join(known)}"
        raise ConfigurationError([Diagnostic(code, f"there is no flow '{name}'", hint=hint)])
    return found


def _at(flow: FlowSpec) -> str:
    return str(flow.at)
