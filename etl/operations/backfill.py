"""`etl backfill`: a range of one column of a target computed anew, a commit a window, while the stream goes on."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.secrets import redacted
from etl.engine.flow_state import read_state
from etl.engine.generations import Generation
from etl.engine.locks import flow_lock
from etl.engine.sessions import Sessions
from etl.engine.storage import FlowPaths
from etl.errors import ConfigurationError, EtlError, FlowFailed, HistoryLost
from etl.operations.plan import located
from etl.planning.backfill import BackfillResult, windows
from etl.planning.events import Counts
from etl.planning.fingerprint import fingerprint
from etl.planning.plan import STRATEGIES
from etl.record.history import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.backfill import Part
    from etl.engine.job import Job
    from etl.planning.plan import Committed
    from etl.planning.position import Drift

_STRATEGIES = ("append", "merge", "scd2", "replace")


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for: `start` ≤ `column` < `end` as written, in windows of `size` (None: one)."""

    column: str
    start: str
    end: str
    size: str | None = None


def backfill(
    spec: PipelineSpec, flow: str, asked: Range, *, tell: Callable[[str], None] = lambda _: None
) -> BackfillResult:
    """Compute the rows of a flow's target in a range anew, from its inputs as far as the target has read them, and replace them.

    Each window is one commit under the flow's lock, which is free between them. One that died is gone on with; after its end the
    same call begins anew. Raises what keeps it from being done; the windows that were committed by then stay.
    """
    found = spec.flow(flow)
    if found is None:
        known = ", ".join(item.name for item in spec.flows)
        raise ConfigurationError(
            [
                Diagnostic(
                    "E280",
                    f"there is no flow '{flow}'",
                    hint=did_you_mean(flow, known.split(", ")) or f"the flows are: {known}",
                )
            ]
        )
    sessions = Sessions(spec.spark, app_name=f"etl backfill {spec.name}", short=False)
    try:
        return _Work(
            located(spec, {item.dataset for item in found.inputs}, sessions), found, asked, sessions, tell
        ).run()
    finally:
        sessions.close()


class _Work:
    """One call of `backfill`."""

    def __init__(
        self, spec: PipelineSpec, flow: FlowSpec, asked: Range, sessions: Sessions, tell: Callable[[str], None]
    ) -> None:
        self._spec, self._flow, self._asked = spec, flow, asked
        self._sessions, self._tell = sessions, tell
        self._paths = FlowPaths.of(spec, flow)
        self._fingerprint = fingerprint(spec, flow).digest
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._at = str(flow.at) if flow.at.line else ""

    def run(self) -> BackfillResult:
        from etl.engine import backfill as engine  # noqa: PLC0415  # pyspark only for what can be done

        committed, drifts = self._state()
        strategy = self._strategy(committed)
        warnings = self._inputs(committed, drifts)
        self._session = self._sessions.get().flow_session(self._flow.timezone, secret_options=self._spec.secret_options)
        column, kind = self._column(strategy)
        cut = windows(column, kind, self._asked.start, self._asked.end, self._asked.size, timezone=self._flow.timezone)
        job = self._job(committed, strategy)
        begun = engine.begun(self._paths.target, committed.generation, column, cut)
        pins = engine.pinned_again(job, begun[1]) if begun is not None and len(begun[2]) < len(cut) else None
        if begun is not None and pins is not None:
            backfill_id, done = begun[0], begun[2]
            self._tell(f"{self._flow.name}: backfill {backfill_id} goes on: {len(done)} of {len(cut)} windows are done")
        else:
            backfill_id, done, pins = uuid.uuid4().hex[:12], frozenset(), engine.pinned_now(job)
        started, began = datetime.now(UTC), time.monotonic()
        result = BackfillResult(
            run_id=self._run_id,
            pipeline=self._spec.name,
            flow=self._flow.name,
            id=backfill_id,
            column=column,
            start=cut[0].start,
            end=cut[-1].end,
            windows=len(cut),
            done_before=len(done),
            done=0,
            status="failed",
            counts=Counts(),
            generation=committed.generation,
            target=self._paths.target,
            started_at=started.isoformat(timespec="seconds"),
            duration_s=0.0,
            warnings=warnings,
        )
        try:
            for window in cut:
                if window.number in done:
                    continue
                entry = engine.entry_of(backfill_id, column, window, cut, pins)
                counts = self._window(job, engine.Part(column, window, pins, entry))
                result = replace(result, counts=result.counts + counts, done=result.done + 1)
                self._tell(
                    f"{self._flow.name}: window {window.number} of {window.of}, {window.start} to {window.end}: {counts.written:,} rows written"
                )
            result = replace(result, status="succeeded")
        except EtlError as cause:
            result = replace(result, error=cause.what)
            raise
        finally:
            result = redacted(replace(result, duration_s=round(time.monotonic() - began, 3)))
            record(self._spec.storage, result)
        return result

    def _window(self, job: Job, part: Part) -> Counts:
        """One window, under the flow's lock, at the position that the target has by then."""
        from etl.engine.backfill import again, must_be_settled  # noqa: PLC0415  # see run
        from etl.engine.epoch import run_epoch  # noqa: PLC0415
        from etl.engine.failures import translated  # noqa: PLC0415

        wait = self._waits
        with (
            translated(self._flow),
            flow_lock(self._paths, flow=job.flow.name, run_id=self._run_id, in_turns=wait) as lock,
        ):
            lock.tell_jvm(self._sessions.get().jvm_pid())
            committed, drifts = self._state()
            if committed.generation != job.generation.number:
                message = f"flow '{job.flow.name}' was rebuilt meanwhile, as generation {committed.generation}: all its rows are new"
                raise FlowFailed(message, where=self._at, hint="backfill again only where that is still needed")
            must_be_settled(job, committed)
            self._inputs(committed, drifts)
            counts = run_epoch(job, self._session, None, committed.epoch, again=again(job, committed, part))
        return counts or Counts()

    def _waits(self, holder: str) -> None:
        self._tell(f"{self._flow.name}: waits for {holder}")

    def _state(self) -> tuple[Committed, Mapping[str, Drift]]:
        """The target's newest epoch, which this very definition has written, and how the inputs have moved since."""
        flow, state = self._flow, read_state(self._spec, self._flow)
        committed, opened = state.committed, state.opened
        if state.fault is not None:
            raise FlowFailed(
                f"flow '{flow.name}' cannot be backfilled: {state.fault.what}",
                where=self._at,
                hint=state.fault.hint or "run the flow: it is rebuilt",
            )
        if committed is None:
            message = f"flow '{flow.name}' has no target yet, so there is nothing to backfill"
            raise FlowFailed(message, where=self._at, hint="run it first: a run computes every row")
        if committed.fingerprint != self._fingerprint:
            message = f"the definition of flow '{flow.name}' is not the one that wrote its target, which must not hold rows of two definitions"
            raise FlowFailed(
                message, where=self._at, hint="run it: with a new definition a run computes every row anew"
            )
        if opened is not None and opened.number > committed.generation:
            message = f"flow '{flow.name}': generation {opened.number} was begun and has not reached the target"
            raise FlowFailed(message, where=self._at, hint="run the flow, which computes every row anew")
        return committed, state.drifts

    def _strategy(self, committed: Committed) -> str:
        flow = self._flow
        strategy = flow.sink.strategy or STRATEGIES[committed.kind]
        if committed.kind in ("rows", "groups") and strategy in _STRATEGIES:
            return strategy
        if committed.kind == "full" or strategy == "overwrite":
            why, hint = "is computed whole each time", "run it in batch mode: that is its backfill"
        elif strategy not in _STRATEGIES:
            why, hint = f"writes by the plug-in '{strategy}', which replaces no range", "run it with --full-refresh"
        else:
            why, hint = "keeps its rows in Spark's state, which has no ranges", "run it with --full-refresh"
        raise ConfigurationError(
            [Diagnostic("E282", f"flow '{flow.name}' cannot be backfilled: it {why}", flow.at, hint)]
        )

    def _inputs(self, committed: Committed, drifts: Mapping[str, Drift]) -> tuple[str, ...]:
        """Warnings of inputs that have changed behind the stream's back; HistoryLost where one cannot be read up to where it was."""
        changes = [item.dataset for item in self._flow.inputs if item.read == "changes"]
        gone = [f"{name}: {drifts[name].detail}" for name in changes if name in drifts and drifts[name].moved == "lost"]
        if gone:
            message = f"flow '{self._flow.name}' cannot be backfilled: what its target was made of can no longer be read: {'; '.join(gone)}"
            raise HistoryLost(message, where=self._at, hint="bring the input back")
        return tuple(
            f"{name}: {drifts[name].detail}; the flow's next run computes every row anew for that"
            for name in changes
            if name in drifts and drifts[name].moved == "rewritten" and committed.kind != "full"
        )

    def _column(self, strategy: str) -> tuple[str, str]:
        """The column as the target writes it, and its type."""
        fields = self._session.read.format("delta").load(self._paths.target).schema.fields
        names = [field.name for field in fields]
        for field in fields:
            if field.name.lower() == self._asked.column.lower():
                if strategy == "scd2" and field.name in ("valid_to", "is_current"):
                    message = (
                        f"'{field.name}' follows from other rows, so it bounds no backfill of flow '{self._flow.name}'"
                    )
                    raise ConfigurationError(
                        [Diagnostic("E280", message, self._flow.at, "name valid_from, or a column of the transform's")]
                    )
                return field.name, field.dataType.simpleString()
        message = f"the target of flow '{self._flow.name}' has no column '{self._asked.column}'"
        hint = did_you_mean(self._asked.column, names) or f"its columns are: {', '.join(names)}"
        raise ConfigurationError([Diagnostic("E280", message, self._flow.at, hint)])

    def _job(self, committed: Committed, strategy: str) -> Job:
        from etl.engine.prepare import draft_of  # noqa: PLC0415  # see run

        number = committed.generation
        generation = Generation(number, self._paths.generation(number), self._fingerprint, committed.kind, self._run_id)
        return replace(draft_of(self._spec, self._flow, generation), kind=committed.kind, strategy=strategy)
