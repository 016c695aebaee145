"""`etl quarantine replay`: the rows that a flow has quarantined, judged again with the snapshots as they stand now."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.secrets import redacted
from etl.engine.inspection.flow_state import inputs_of
from etl.engine.inspection.side_tables import sets_aside, unfinished
from etl.engine.tables.quarantine_rows import is_empty
from etl.errors import ConfigurationError, EtlError
from etl.operations.recompute.baseline import FlowRecomputation, Wording, located_flow
from etl.planning.replay import ReplayResult
from etl.planning.results import Counts
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.session.shared import Sessions
    from etl.planning.plan import Committed

_WORDING = Wording(
    done="replayed",
    code="E283",
    cannot="the quarantined rows of flow '{flow}' cannot be tried again by themselves",
    instead="run it in batch mode: that judges every row again",
)


def replay(spec: PipelineSpec, flow: str, *, tell: Callable[[str], None] = lambda _: None) -> ReplayResult:
    """Try again the rows that a flow has quarantined, from its inputs as far as the target has read them; those that pass are written.

    One commit of the target, under the flow's lock; one that died is ended by the next call. Raises what keeps it from being done.
    """
    with located_flow(spec, flow, code="E283", app_name=f"etl quarantine {spec.name}") as (located, chosen, sessions):
        return _Replay(located, chosen, sessions, tell).run()


class _Replay(FlowRecomputation):
    """One call of `replay`."""

    def __init__(self, spec: PipelineSpec, flow: FlowSpec, sessions: Sessions, tell: Callable[[str], None]) -> None:
        super().__init__(spec, flow, sessions, tell, _WORDING)
        self._began = time.monotonic()
        self._result: ReplayResult

    def run(self) -> ReplayResult:
        """The result, which is recorded where anything was tried; raises what keeps it from being done."""
        baseline = self.require_baseline()
        strategy = self.require_strategy(baseline.committed)
        self._result = self._nothing_tried(baseline.committed, self.require_readable_inputs(baseline))
        note = self._nothing_to_try(baseline.committed)
        if note:
            return self._ended(status="unchanged", note=note)
        try:
            with recorded_if_ended(self.spec.storage, lambda: self._ended(error=ENDED)), self.locked():
                tried = self._try_again(strategy)
        except EtlError as cause:
            record(self.spec.storage, self._ended(error=cause.what))
            raise
        if not tried:
            note = "what it has quarantined did not parse, and has no columns to be judged by"
            return self._ended(status="unchanged", note=note)
        result = self._ended(status="succeeded")
        record(self.spec.storage, result)
        return result

    def _nothing_tried(self, committed: Committed, warnings: tuple[str, ...]) -> ReplayResult:
        return ReplayResult(
            run_id=self.run_id,
            pipeline=self.spec.name,
            flow=self.flow.name,
            id=uuid.uuid4().hex[:12],
            status="failed",
            columns=(),
            tried=0,
            malformed=0,
            counts=Counts(),
            generation=committed.generation,
            target=self.paths.target,
            quarantine=self.paths.quarantine,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            duration_s=0.0,
            warnings=warnings,
        )

    def _ended(self, **fields: object) -> ReplayResult:
        """The result by now, with these fields."""
        spent = round(time.monotonic() - self._began, 3)
        return redacted(replace(self._result, duration_s=spent, **fields))  # type: ignore[arg-type]  # its own fields

    def _nothing_to_try(self, committed: Committed) -> str:
        """Why there is nothing to try, where the logs say so; else empty.

        Raises ConfigurationError where the same definition must end in the same verdicts.
        """
        if not sets_aside(self.flow, (item.source for item in inputs_of(self.spec, self.flow))):
            return "the flow sets nothing aside"
        died = unfinished(self.paths, committed) is not None
        if not died and is_empty(self.paths.quarantine):
            return "its quarantine is empty"
        if not died and all(item.read == "changes" for item in self.flow.inputs):
            message = (
                f"flow '{self.flow.name}' reads no snapshot, so the same definition would set the same rows aside again"
            )
            hint = "mend the definition and run the flow: with a new definition every row is read and judged again"
            raise ConfigurationError([Diagnostic("E283", message, self.flow.at, hint)])
        return ""

    def _try_again(self, strategy: Strategy) -> bool:
        """Replay under the flow's lock, at the position that the target has by then; whether there was a row to try."""
        from etl.engine.recompute import replay as engine  # noqa: PLC0415  # pyspark only for what can be done
        from etl.engine.recompute.backfill import must_be_settled, pinned_now, span_at  # noqa: PLC0415
        from etl.engine.run.epoch import recompute_part  # noqa: PLC0415
        from etl.engine.run.failing_row import telling_row_of_part  # noqa: PLC0415

        baseline = self.require_baseline()
        self.require_readable_inputs(baseline)
        committed = baseline.committed
        session = self.open_session()
        job = self.job_at(committed, strategy)
        died = self._interrupted(committed)
        versions = engine.versions_to_try(self.paths.quarantine, died)
        malformed = engine.set_aside(session, self.paths.quarantine, versions[0], malformed=True).count()
        tried = engine.set_aside(session, self.paths.quarantine, versions[-1]).count()
        self._result = replace(self._result, tried=tried, malformed=malformed, generation=committed.generation)
        if tried == 0 and len(versions) == 1:
            return False
        columns = engine.telling_columns(job, session)
        span = span_at(job, committed, pinned_now(job))
        entry = engine.entry_of(self._result.id, columns, span, frozenset(item.name for item in job.changes))
        must_be_settled(job, committed, entry)
        replay_part = engine.QuarantineReplay(span, columns, versions, entry)
        with telling_row_of_part(job, session, committed, replay_part):
            counts = recompute_part(job, session, committed, replay_part)
        self._result = replace(self._result, columns=columns, counts=counts)
        return True

    def _interrupted(self, committed: Committed) -> Provenance | None:
        """The stamp of a part that died before it reached the target; a replay that did is ended by this one, under its id."""
        died = unfinished(self.paths, committed, locked=True)
        if died is not None and "replay" in (died.backfill or {}):
            self._result = replace(self._result, id=str((died.backfill or {})["id"]))
            self.tell(f"{self.flow.name}: replay {self._result.id} was interrupted, and is ended now")
        return died
