"""`etl quarantine replay`: the rows that a flow has set aside, judged again with the snapshots as they stand now."""

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
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from etl.engine.tables.quarantine_rows import is_empty
from etl.errors import ConfigurationError, EtlError
from etl.operations.plan import located
from etl.operations.recompute.baseline import flow_of, job_at, readable, standing, strategy_of
from etl.planning.fingerprint import fingerprint
from etl.planning.replay import ReplayResult
from etl.planning.results import Counts
from etl.record.history import record
from etl.record.unfinished import ENDED, recorded_if_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.spec import FlowSpec, PipelineSpec, Strategy
    from etl.planning.plan import Committed

_DONE = "replayed"


def replay(spec: PipelineSpec, flow: str, *, tell: Callable[[str], None] = lambda _: None) -> ReplayResult:
    """Try the rows that a flow has set aside again, from its inputs as far as the target has read them; those that pass are written.

    One commit of the target, under the flow's lock; one that died is ended by the next call. Raises what keeps it from being done.
    """
    found = flow_of(spec, flow, "E283")
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl quarantine {spec.name}", short=False)
    try:
        return _Work(located(spec, {item.dataset for item in found.inputs}, sessions), found, sessions, tell).run()
    finally:
        sessions.close()


class _Work:
    """One call of `replay`."""

    def __init__(self, spec: PipelineSpec, flow: FlowSpec, sessions: Sessions, tell: Callable[[str], None]) -> None:
        self._spec, self._flow, self._sessions, self._tell = spec, flow, sessions, tell
        self._paths = FlowPaths.of(spec, flow)
        self._fingerprint = fingerprint(spec, flow).digest
        self._run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._began = time.monotonic()
        self._result: ReplayResult

    def run(self) -> ReplayResult:
        from etl.engine.faults.translation import translated  # noqa: PLC0415  # pyspark only for what can be done

        committed, drifts = standing(self._spec, self._flow, self._fingerprint, done=_DONE)
        strategy = self._strategy(committed)
        warnings = readable(self._flow, committed, drifts, done=_DONE)
        self._result = ReplayResult(
            run_id=self._run_id,
            pipeline=self._spec.name,
            flow=self._flow.name,
            id=uuid.uuid4().hex[:12],
            status="failed",
            columns=(),
            tried=0,
            malformed=0,
            counts=Counts(),
            generation=committed.generation,
            target=self._paths.target,
            quarantine=self._paths.quarantine,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            duration_s=0.0,
            warnings=warnings,
        )
        note = self._nothing_to_try(committed)
        if note:
            return self._ended(status="unchanged", note=note)
        try:
            with (
                recorded_if_ended(self._spec.storage, lambda: self._ended(error=ENDED)),
                translated(self._flow),
                flow_lock(self._paths, flow=self._flow.name, run_id=self._run_id, in_turns=self._waits) as lock,
            ):
                lock.tell_jvm(self._sessions.get().jvm_pid())
                tried = self._try_again(strategy)
        except EtlError as cause:
            record(self._spec.storage, self._ended(error=cause.what))
            raise
        if not tried:
            return self._ended(
                status="unchanged", note="what it has set aside did not parse, and has no columns to be judged by"
            )
        result = self._ended(status="succeeded")
        record(self._spec.storage, result)
        return result

    def _ended(self, **found: object) -> ReplayResult:
        spent = round(time.monotonic() - self._began, 3)
        return redacted(replace(self._result, duration_s=spent, **found))  # type: ignore[arg-type]  # its own fields

    def _waits(self, holder: str) -> None:
        self._tell(f"{self._flow.name}: waits for {holder}")

    def _nothing_to_try(self, committed: Committed) -> str:
        """Why there is nothing, where the logs say so; ConfigurationError where the same definition must end in the same verdicts."""
        if not sets_aside(self._flow, (item.source for item in inputs_of(self._spec, self._flow))):
            return "the flow sets nothing aside"
        died = unfinished(self._paths, committed) is not None
        if not died and is_empty(self._paths.quarantine):
            return "its quarantine is empty"
        if not died and all(item.read == "changes" for item in self._flow.inputs):
            message = f"flow '{self._flow.name}' reads no snapshot, so the same definition would set the same rows aside again"
            hint = "mend the definition and run the flow: with a new definition every row is read and judged anew"
            raise ConfigurationError([Diagnostic("E283", message, self._flow.at, hint)])
        return ""

    def _strategy(self, committed: Committed) -> Strategy:
        cannot = f"the quarantined rows of flow '{self._flow.name}' cannot be tried again by themselves"
        return strategy_of(
            self._flow,
            committed,
            code="E283",
            cannot=cannot,
            instead="run it in batch mode: that judges every row anew",
        )

    def _try_again(self, strategy: Strategy) -> bool:
        """The replay itself, under the flow's lock, at the position that the target has by then; whether there was a row to try."""
        from etl.engine.recompute import replay as engine  # noqa: PLC0415  # see run
        from etl.engine.recompute.backfill import must_be_settled, pinned_now, span_at  # noqa: PLC0415
        from etl.engine.run.epoch import recompute_part  # noqa: PLC0415

        committed, drifts = standing(self._spec, self._flow, self._fingerprint, done=_DONE)
        readable(self._flow, committed, drifts, done=_DONE)
        session = self._sessions.get().flow_session(
            self._flow.timezone, secret_options=self._spec.secret_options, under=(self._paths.lock, self._run_id)
        )
        job = job_at(self._spec, self._flow, committed, strategy, fingerprint=self._fingerprint, run_id=self._run_id)
        died = unfinished(self._paths, committed, locked=True)
        if died is not None and "replay" in (died.backfill or {}):
            self._result = replace(self._result, id=str((died.backfill or {})["id"]))
            self._tell(f"{self._flow.name}: replay {self._result.id} was interrupted, and is ended now")
        versions = engine.versions_to_try(self._paths.quarantine, died)
        malformed = engine.set_aside(session, self._paths.quarantine, versions[0], malformed=True).count()
        tried = engine.set_aside(session, self._paths.quarantine, versions[-1]).count()
        self._result = replace(self._result, tried=tried, malformed=malformed, generation=committed.generation)
        if tried == 0 and len(versions) == 1:
            return False
        columns = engine.telling_columns(job, session)
        span = span_at(job, committed, pinned_now(job))
        entry = engine.entry_of(self._result.id, columns, span, frozenset(item.name for item in job.changes))
        must_be_settled(job, committed, entry)
        replay_part = engine.QuarantineReplay(span, columns, versions, entry)
        counts = recompute_part(job, session, committed, replay_part)
        self._result = replace(self._result, columns=columns, counts=counts)
        return True
