"""`etl backfill`: a range of one column of a target recomputed, a commit a window, while the stream goes on."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.secrets import redacted
from etl.errors import ConfigurationError, EtlError, FlowFailed
from etl.markup import counted
from etl.operations.recompute.baseline import FlowRecomputation, Wording, located_flow
from etl.planning.backfill import BackfillResult, windows
from etl.planning.results import Counts
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.job import Job
    from etl.engine.recompute.backfill import Part
    from etl.engine.session.shared import Sessions
    from etl.planning.backfill import Window
    from etl.planning.position import Pin

_WORDING = Wording(
    done="backfilled",
    code="E282",
    cannot="flow '{flow}' cannot be backfilled",
    instead="run it in batch mode: that is its backfill",
)


@dataclass(frozen=True, slots=True)
class Range:
    """The rows to recompute: those with `start` ≤ `column` < `end`.

    Attributes:
        column: A column of the target.
        start: The lower bound, as it is written on the command line.
        end: The upper bound, which is not part of the range.
        size: The length of a window, which is one commit; None: the whole range is one.
    """

    column: str
    start: str
    end: str
    size: str | None = None


def backfill(
    spec: PipelineSpec, flow: str, bounds: Range, *, tell: Callable[[str], None] = lambda _: None
) -> BackfillResult:
    """Recompute the rows of a flow's target in a range, from its inputs as far as the target has read them, and replace them.

    Each window is one commit under the flow's lock, which is free between them. One that died is gone on with; after its end the
    same call starts again. Raises what keeps it from being done; the windows that were committed by then stay.
    """
    with located_flow(spec, flow, code="E280", app_name=f"etl backfill {spec.name}") as (located, chosen, sessions):
        return _Backfill(located, chosen, sessions, tell, bounds).run()


@dataclass(frozen=True, slots=True)
class _Windows:
    """A backfill's windows, and how far an attempt before this one has come with them.

    Attributes:
        id: Of the backfill, the same in each attempt.
        column: As the target writes it.
        every: The windows, in the order of the range.
        done: The numbers of those that are committed.
        pins: Snapshot input → what every window reads of it.
    """

    id: str
    column: str
    every: tuple[Window, ...]
    done: frozenset[int]
    pins: Mapping[str, Pin]


class _Backfill(FlowRecomputation):
    """One call of `backfill`."""

    def __init__(
        self, spec: PipelineSpec, flow: FlowSpec, sessions: Sessions, tell: Callable[[str], None], bounds: Range
    ) -> None:
        super().__init__(spec, flow, sessions, tell, _WORDING)
        self._range = bounds
        self._session: Any  # a SparkSession, from when there is something to compute
        self._result: BackfillResult

    def run(self) -> BackfillResult:
        """The result, which is recorded however it ends; raises what keeps a window from being done."""
        from etl.engine.recompute import backfill as engine  # noqa: PLC0415  # pyspark only for what can be done

        baseline = self.require_baseline()
        strategy = self.require_strategy(baseline.committed)
        warnings = self.require_readable_inputs(baseline)
        self._session = self.open_session()
        column, kind = self._column(strategy)
        bounds, timezone = self._range, self.flow.timezone
        every = windows(column, kind, bounds.start, bounds.end, bounds.size, timezone=timezone)
        job = self.job_at(baseline.committed, strategy)
        begun = self._begin(job, column, every)
        started, began = datetime.now(UTC), time.monotonic()
        self._result = self._nothing_done(begun, job, started, warnings)

        def so_far() -> BackfillResult:
            return redacted(replace(self._result, duration_s=round(time.monotonic() - began, 3)))

        with recorded_if_ended(self.spec.storage, lambda: replace(so_far(), error=ENDED)):
            try:
                for window in begun.every:
                    if window.number not in begun.done:
                        entry = engine.entry_of(begun.id, column, window, begun.every, begun.pins)
                        self._commit(job, engine.Part(column, window, begun.pins, entry))
                self._result = replace(self._result, status="succeeded")
            except EtlError as cause:
                self._result = replace(self._result, error=cause.what)
                raise
            finally:
                self._result = so_far()
                record(self.spec.storage, self._result)
        return self._result

    def _begin(self, job: Job, column: str, every: tuple[Window, ...]) -> _Windows:
        """The windows as an attempt that died has left them, where its snapshots can still be read; else none of them done."""
        from etl.engine.recompute import backfill as engine  # noqa: PLC0415  # see run

        earlier = engine.begun(self.paths.target, job.generation.number, column, every)
        if earlier is not None:
            backfill_id, positions, done = earlier
            pins = engine.pinned_again(job, positions) if len(done) < len(every) else None
            if pins is not None:
                self.tell(
                    f"{self.flow.name}: backfill {backfill_id} goes on: {len(done)} of {len(every)} windows are done"
                )
                return _Windows(backfill_id, column, every, done, pins)
        return _Windows(uuid.uuid4().hex[:12], column, every, frozenset(), engine.pinned_now(job))

    def _nothing_done(self, begun: _Windows, job: Job, started: datetime, warnings: tuple[str, ...]) -> BackfillResult:
        return BackfillResult(
            run_id=self.run_id,
            pipeline=self.spec.name,
            flow=self.flow.name,
            id=begun.id,
            column=begun.column,
            start=begun.every[0].start,
            end=begun.every[-1].end,
            windows=len(begun.every),
            done_before=len(begun.done),
            done=0,
            status="failed",
            counts=Counts(),
            generation=job.generation.number,
            target=self.paths.target,
            started_at=started.isoformat(timespec="seconds"),
            duration_s=0.0,
            warnings=warnings,
        )

    def _commit(self, job: Job, part: Part) -> None:
        """Recompute one window, and count it."""
        window, counts = part.window, self._recompute(job, part)
        self._result = replace(self._result, counts=self._result.counts + counts, done=self._result.done + 1)
        self.tell(
            f"{self.flow.name}: window {window.number} of {window.of}, {window.start} to {window.end}: {counted(counts.written, 'row')} written"
        )

    def _recompute(self, job: Job, part: Part) -> Counts:
        """One window, under the flow's lock, at the position that the target has by then."""
        from etl.engine.recompute.backfill import must_be_settled, recomputation  # noqa: PLC0415  # see run
        from etl.engine.run.epoch import recompute_part  # noqa: PLC0415
        from etl.engine.run.failing_row import telling_row_of_part  # noqa: PLC0415

        with self.locked():
            baseline = self.require_baseline()
            committed = baseline.committed
            if committed.generation != job.generation.number:
                message = f"flow '{job.flow.name}' was rebuilt meanwhile, as generation {committed.generation}: all its rows are new"
                hint = "backfill again only where that is still needed"
                raise FlowFailed(message, where=str(self.flow.at), hint=hint)
            must_be_settled(job, committed, part.entry)
            self.require_readable_inputs(baseline)
            work = recomputation(job, committed, part)
            with telling_row_of_part(job, self._session, committed, work):
                return recompute_part(job, self._session, committed, work)

    def _column(self, strategy: str) -> tuple[str, str]:
        """The range's column as the target writes it, and its Spark type; raises ConfigurationError where it bounds no range."""
        fields = self._session.read.format("delta").load(self.paths.target).schema.fields
        names = [field.name for field in fields]
        for field in fields:
            if field.name.lower() == self._range.column.lower():
                if strategy == "scd2" and field.name in ("valid_to", "is_current"):
                    message = (
                        f"'{field.name}' follows from other rows, so it bounds no backfill of flow '{self.flow.name}'"
                    )
                    hint = "name valid_from, or a column of the transform's"
                    raise ConfigurationError([Diagnostic("E280", message, self.flow.at, hint)])
                return field.name, field.dataType.simpleString()
        message = f"the target of flow '{self.flow.name}' has no column '{self._range.column}'"
        hint = did_you_mean(self._range.column, names) or f"its columns are: {', '.join(names)}"
        raise ConfigurationError([Diagnostic("E280", message, self.flow.at, hint)])
