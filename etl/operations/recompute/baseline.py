"""What a part of a target is recomputed on: the target's newest epoch, written by this very definition, its inputs as it read them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.engine.inspection.flow_state import read_state
from etl.engine.metadata.generations import Generation
from etl.engine.run.draft import draft_of
from etl.engine.session.shared import Sessions
from etl.engine.storage.holder import Waiting
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.errors import ConfigurationError, FlowFailed, HistoryLost
from etl.operations.plan import located
from etl.planning.fingerprint import fingerprint
from etl.planning.kinds import KIND_TRAITS
from etl.planning.run_id import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.engine.job import Job
    from etl.planning.plan import Committed
    from etl.planning.position import Drift

_IN_PARTS = ("append", "merge", "scd2", "replace")


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a target holds, and what has become of its inputs.

    Attributes:
        committed: The target's newest epoch.
        drifts: Input → how it has moved since that epoch read it.
    """

    committed: Committed
    drifts: Mapping[str, Drift]


@dataclass(frozen=True, slots=True)
class Wording:
    """How a backfill or a replay speaks of itself where it cannot be done.

    Attributes:
        done: What would be done with a flow: "backfilled".
        code: Of the diagnostics where a flow has no parts that could be recomputed.
        cannot: The beginning of that message, for a flow `{flow}`.
        instead: What to do with a target that is computed whole.
    """

    done: str
    code: str
    cannot: str
    instead: str


class FlowRecomputation:
    """A flow of which a part is recomputed, by one call of `backfill` or `replay`, under a run id of its own."""

    def __init__(
        self, spec: PipelineSpec, flow: FlowSpec, sessions: Sessions, tell: Callable[[str], None], wording: Wording
    ) -> None:
        self.spec, self.flow, self.sessions, self.tell = spec, flow, sessions, tell
        self.paths = FlowPaths.of(spec, flow)
        self.run_id = new_run_id()
        self._fingerprint = fingerprint(spec, flow).digest
        self._wording = wording
        self._where = str(flow.at)

    def require_baseline(self) -> Baseline:
        """The target's newest epoch and the drift of the inputs since.

        Raises FlowFailed where a part of the target must not be recomputed: it is damaged or not there, another definition
        wrote it, or a newer generation has begun.
        """
        name, done = self.flow.name, self._wording.done
        state = read_state(self.spec, self.flow, mode="stream")
        committed, opened = state.committed, state.opened
        if state.fault is not None:
            message = f"flow '{name}' cannot be {done}: {state.fault.what}"
            raise FlowFailed(message, where=self._where, hint=state.fault.hint or "run the flow: it is rebuilt")
        if committed is None:
            message = f"flow '{name}' has no target yet, so there is nothing that can be {done}"
            raise FlowFailed(message, where=self._where, hint="run it first: a run computes every row")
        if committed.fingerprint != self._fingerprint:
            message = f"the definition of flow '{name}' is not the one that wrote its target, which must not hold rows of two definitions"
            hint = "run it: with a new definition a run recomputes every row, those in quarantine among them"
            raise FlowFailed(message, where=self._where, hint=hint)
        if opened is not None and opened.number > committed.generation:
            message = f"flow '{name}': generation {opened.number} was begun and has not reached the target"
            raise FlowFailed(message, where=self._where, hint="run the flow, which recomputes every row")
        return Baseline(committed, state.drifts)

    def require_readable_inputs(self, baseline: Baseline) -> tuple[str, ...]:
        """Warnings of inputs whose rows have changed since the target read them.

        Raises HistoryLost where an input can no longer be read up to where the target has read it.
        """
        changes = [item.dataset for item in self.spec.as_stored(self.flow).inputs if item.read == "changes"]
        drifts = [(name, baseline.drifts[name]) for name in changes if name in baseline.drifts]
        lost = [f"{name}: {drift.detail}" for name, drift in drifts if drift.moved == "lost"]
        if lost:
            message = (
                f"flow '{self.flow.name}' cannot be {self._wording.done}:"
                f" what its target was made of can no longer be read: {'; '.join(lost)}"
            )
            raise HistoryLost(message, where=self._where, hint="bring the input back")
        return tuple(
            f"{name}: {drift.detail}; the flow's next run recomputes every row for that"
            for name, drift in drifts
            if drift.moved == "rewritten" and KIND_TRAITS[baseline.committed.kind].streams
        )

    def require_strategy(self, committed: Committed) -> Strategy:
        """The strategy by which a part of the target is replaced; raises ConfigurationError where the target has no parts."""
        strategy = self.flow.sink.strategy or KIND_TRAITS[committed.kind].default_strategy
        if KIND_TRAITS[committed.kind].has_parts and strategy in _IN_PARTS:
            return strategy
        hint = "run it with --full-refresh"
        if not KIND_TRAITS[committed.kind].streams or strategy == "overwrite":
            why, hint = "is computed whole each time", self._wording.instead
        elif strategy not in _IN_PARTS:
            why = f"writes by the plug-in '{strategy}', which replaces no part of its target"
        else:
            why = "keeps its rows in Spark's state, which has no parts"
        message = f"{self._wording.cannot.format(flow=self.flow.name)}: it {why}"
        raise ConfigurationError([Diagnostic(self._wording.code, message, self.flow.at, hint)])

    def open_session(self) -> Any:
        """A SparkSession whose commits count only while this run holds the flow's lock."""
        return self.sessions.get().flow_session(
            self.flow.timezone, secret_options=self.spec.secret_options, under=(self.paths.lock, self.run_id)
        )

    def job_at(self, committed: Committed, strategy: Strategy) -> Job:
        """The flow's job in the generation that its target holds."""
        number = committed.generation
        path = self.paths.generation(number)
        generation = Generation(number, path, self._fingerprint, committed.kind, self.run_id)
        return replace(draft_of(self.spec, self.flow, generation), kind=committed.kind, strategy=strategy)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the flow's lock for the body, after whoever has it now; errors of Spark's leave it translated."""
        from etl.engine.faults.translation import translated  # noqa: PLC0415  # pyspark only for what can be done

        with (
            translated(self.flow),
            flow_lock(
                self.paths,
                flow=self.flow.name,
                run_id=self.run_id,
                waiting=Waiting(in_turns=True, tell=self._tell_of_holder),
            ) as lock,
        ):
            lock.tell_jvm(self.sessions.get().jvm_pid())
            yield

    def _tell_of_holder(self, holder: str) -> None:
        self.tell(f"{self.flow.name}: waits for {holder}")


@contextmanager
def located_flow(
    spec: PipelineSpec, name: str, *, code: str, app_name: str
) -> Iterator[tuple[PipelineSpec, FlowSpec, Sessions]]:
    """The flow of that name, the pipeline with the places of the flow's inputs, and sessions that end with the body.

    Raises ConfigurationError `code` where there is no such flow.
    """
    flow = spec.flow(name)
    if flow is None:
        names = [flow.name for flow in spec.flows]
        hint = did_you_mean(name, names) or f"the flows are: {', '.join(names)}"
        raise ConfigurationError([Diagnostic(code, f"there is no flow '{name}'", hint=hint)])
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=app_name, short=False)
    try:
        yield located(spec, {item.dataset for item in flow.inputs}, sessions), flow, sessions
    finally:
        sessions.close()
