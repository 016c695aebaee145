"""A pipeline in Python: `etl.load("nyc_flights")`, then plan, run, audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.load import load as load_spec
from etl.config.secrets import redact
from etl.markup import card, code, element, folded, line, quiet, table
from etl.notebook.progress import progress
from etl.notebook.table import Table
from etl.operations import arguments
from etl.operations.audit import AuditResult, audit
from etl.operations.explain import explained
from etl.operations.plan import plan
from etl.operations.preview import preview
from etl.operations.recompute.backfill import Range, backfill
from etl.operations.recompute.replay import replay
from etl.operations.run import run
from etl.operations.verification.verdicts import VerifyResult
from etl.operations.verification.verify import VerifyRequest, verify
from etl.planning.request import RunRequest
from etl.record.history import History, history
from etl.record.runs import runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.config.spec import Mode, PipelineSpec
    from etl.planning.backfill import BackfillResult
    from etl.planning.plan import Plan
    from etl.planning.preview import PreviewResult
    from etl.planning.replay import ReplayResult
    from etl.planning.results import RunResult


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A checked pipeline in one environment."""

    spec: PipelineSpec

    def plan(
        self,
        *,
        mode: Mode | None = None,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        full_refresh: bool = False,
    ) -> Plan:
        """What a run would do; starts no JVM."""
        arguments.mode(mode)
        arguments.flags(full_refresh=full_refresh)
        select, exclude = arguments.texts("select", select), arguments.texts("exclude", exclude)
        request = RunRequest(mode=mode, select=select, exclude=exclude, full_refresh=full_refresh)
        return explained(plan(self.spec, request))

    def run(
        self,
        *,
        mode: Mode | None = None,
        trigger: str | None = None,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        full_refresh: bool = False,
        allow_history_loss: bool = False,
        wait: str | None = None,
    ) -> RunResult:
        """Run it; a flow's failure is in the result, and `raise_for_status()` of that raises it. An active Spark session is used as it is, and never stopped.

        `wait`: how long a flow waits for another run that works on it, such as "10 minutes"; None: it fails at once.
        In a notebook its progress is drawn below the cell; an interrupt ends it with the epoch under way.
        """
        arguments.mode(mode)
        arguments.trigger(self.spec, trigger, mode)
        arguments.flags(full_refresh=full_refresh, allow_history_loss=allow_history_loss)
        select, exclude = arguments.texts("select", select), arguments.texts("exclude", exclude)
        request = RunRequest(
            mode=mode,
            trigger=trigger,
            select=select,
            exclude=exclude,
            full_refresh=full_refresh,
            allow_history_loss=allow_history_loss,
            wait_s=arguments.duration("wait", wait),
        )
        with progress() as emit:
            return run(self.spec, request, emit=emit)

    def backfill(self, *, select: str, start: str, end: str, column: str, window: str | None = None) -> BackfillResult:
        """Recompute the rows of flow `select` with `start` ≤ `column` < `end`, one commit a window; bounds as on the command line.

        Raises what keeps it from being done; the windows that were committed by then stay, and the same call goes on.
        """
        arguments.text("select", select)
        bounds = Range(
            arguments.text("column", column),
            arguments.bound("start", start),
            arguments.bound("end", end),
            arguments.bound("window", window, optional=True),
        )
        return backfill(self.spec, select, bounds, tell=print)

    def replay(self, *, select: str) -> ReplayResult:
        """Judge again the rows that flow `select` has quarantined, with the snapshots as they are now; raises what keeps it from being done."""
        return replay(self.spec, arguments.text("select", select), tell=print)

    def preview(self, flow: str, *, limit: int = 20) -> PreviewResult:
        """A sample of what a flow would write; nothing is written, and an active session is left as it was."""
        arguments.whole("limit", limit, least=1)
        return preview(self.spec, arguments.text("flow", flow), limit=limit)

    def read(self, name: str, *, version: int | None = None) -> Table:
        """The target of a flow, or a source, as it is, or as it was at a version; raises what keeps it from being read once that is asked for."""
        arguments.whole("version", version, least=0, optional=True)
        return Table(self.spec, arguments.text("name", name), version)

    def audit(self) -> AuditResult:
        """Prove the tables' invariants from their own logs."""
        return audit(self.spec)

    def verify(
        self,
        *,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        splits: int = 3,
        seed: int = 0,
        rows: int | None = None,
        generated: bool = False,
    ) -> VerifyResult:
        """Whether every flow comes out the same however its rows arrive; the pipeline's own storage is never touched."""
        arguments.whole("splits", splits, least=0)
        arguments.whole("seed", seed)
        arguments.whole("rows", rows, least=1, optional=True)
        arguments.flags(generated=generated)
        select, exclude = arguments.texts("select", select), arguments.texts("exclude", exclude)
        request = VerifyRequest(
            select=select, exclude=exclude, splits=splits, seed=seed, rows=rows, generated=generated
        )
        return verify(self.spec, request)

    def history(self, *, flows: Sequence[str] = ()) -> History:
        """What each run committed, newest first, from the tables' own logs; and the newest 50 runs as they were recorded."""
        named = [arguments.flow(self.spec, "flows", name) for name in arguments.texts("flows", flows)]
        records = runs(self.spec.storage, self.spec.name, limit=50)
        return History(self.spec.name, history(self.spec, flows=named), records)

    def __repr__(self) -> str:
        flows = ", ".join(flow.name for flow in self.spec.flows)
        return f"Pipeline {self.spec.name} in environment {self.spec.environment}: {flows}"

    def _repr_html_(self) -> str:
        spec = self.spec
        flows = [
            (
                element("b", flow.name),
                ", ".join(f"{item.dataset} ({item.read})" for item in flow.inputs),
                flow.incremental,
                " ".join((flow.sink.strategy or "", ", ".join(flow.sink.keys))),
                ", ".join(f"{item.name} ({item.on_violation})" for item in flow.expectations),
                quiet(flow.description),
            )
            for flow in spec.flows
        ]
        sources = [(element("b", item.name), item.format, code(item.path), item.on_malformed) for item in spec.sources]
        shown = card(
            ("Pipeline", element("b", spec.name), quiet(f"environment {spec.environment}")),
            line(spec.description),
            table(("flow", "reads", "incremental", "sink", "expectations", ""), flows),
            folded("sources", table(("source", "format", "path", "malformed rows"), sources)),
            folded("places", table(("", ""), [("defined in", code(spec.file)), ("storage", code(spec.storage))])),
        )
        return redact(shown)


def load(reference: str | Path, *, env: str = "local", params: Mapping[str, str] | None = None) -> Pipeline:
    """The pipeline that a name or a path means; ConfigurationError with every mistake in its files."""
    arguments.reference(reference)
    arguments.environment(env)
    arguments.params(params)
    return Pipeline(load_spec(reference, environment=env, params=params))
