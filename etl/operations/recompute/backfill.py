"""`etl backfill`: a range of one column of a target computed anew, a commit a window, while the stream goes on."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.secrets import redacted
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.errors import ConfigurationError, EtlError, FlowFailed
from etl.operations.plan import located
from etl.operations.recompute.baseline import flow_of, job_at, readable, standing, strategy_of
from etl.planning.backfill import BackfillResult, windows
from etl.planning.fingerprint import fingerprint
from etl.planning.results import Counts
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.engine.job import Job
    from etl.engine.recompute.backfill import Part
    from etl.planning.plan import Committed

_DONE = "backfilled"


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
    found = flow_of(spec, flow, "E280")
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl backfill {spec.name}", short=False)
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
        self._at = str(flow.at)

    def run(self) -> BackfillResult:
        from etl.engine.recompute import backfill as engine  # noqa: PLC0415  # pyspark only for what can be done

        committed, drifts = standing(self._spec, self._flow, self._fingerprint, done=_DONE)
        strategy = self._strategy(committed)
        warnings = readable(self._flow, committed, drifts, done=_DONE)
        self._session = self._sessions.get().flow_session(
            self._flow.timezone, secret_options=self._spec.secret_options, under=(self._paths.lock, self._run_id)
        )
        column, kind = self._column(strategy)
        cut = windows(column, kind, self._asked.start, self._asked.end, self._asked.size, timezone=self._flow.timezone)
        job = job_at(self._spec, self._flow, committed, strategy, fingerprint=self._fingerprint, run_id=self._run_id)
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

        def so_far() -> BackfillResult:
            return redacted(replace(result, duration_s=round(time.monotonic() - began, 3)))

        with recorded_if_ended(self._spec.storage, lambda: replace(so_far(), error=ENDED)):
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
                result = so_far()
                record(self._spec.storage, result)
        return result

    def _window(self, job: Job, part: Part) -> Counts:
        """One window, under the flow's lock, at the position that the target has by then."""
        from etl.engine.faults.translation import translated  # noqa: PLC0415  # see run
        from etl.engine.recompute.backfill import must_be_settled, recomputation  # noqa: PLC0415  # see run
        from etl.engine.run.epoch import recompute_part  # noqa: PLC0415

        wait = self._waits
        with (
            translated(self._flow),
            flow_lock(self._paths, flow=job.flow.name, run_id=self._run_id, in_turns=wait) as lock,
        ):
            lock.tell_jvm(self._sessions.get().jvm_pid())
            committed, drifts = standing(self._spec, self._flow, self._fingerprint, done=_DONE)
            if committed.generation != job.generation.number:
                message = f"flow '{job.flow.name}' was rebuilt meanwhile, as generation {committed.generation}: all its rows are new"
                raise FlowFailed(message, where=self._at, hint="backfill again only where that is still needed")
            must_be_settled(job, committed, part.entry)
            readable(self._flow, committed, drifts, done=_DONE)
            return recompute_part(job, self._session, committed, recomputation(job, committed, part))

    def _waits(self, holder: str) -> None:
        self._tell(f"{self._flow.name}: waits for {holder}")

    def _strategy(self, committed: Committed) -> Strategy:
        cannot = f"flow '{self._flow.name}' cannot be backfilled"
        return strategy_of(
            self._flow, committed, code="E282", cannot=cannot, instead="run it in batch mode: that is its backfill"
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
