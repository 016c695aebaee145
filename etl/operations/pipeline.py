"""A pipeline in Python: `etl.load("nyc_flights")`, then plan, run, audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.load import load as load_spec
from etl.operations.audit import AuditResult, audit
from etl.operations.plan import plan
from etl.operations.run import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.config.spec import Mode, PipelineSpec
    from etl.planning.events import RunResult
    from etl.planning.plan import Plan


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
        return plan(self.spec, mode=mode, include=select, exclude=exclude, full_refresh=full_refresh)

    def run(
        self,
        *,
        mode: Mode | None = None,
        trigger: str | None = None,
        select: Sequence[str] = (),
        exclude: Sequence[str] = (),
        full_refresh: bool = False,
        allow_history_loss: bool = False,
    ) -> RunResult:
        """Run it; a flow's failure is in the result. An active Spark session is used as it is, and never stopped."""
        return run(
            self.spec,
            mode=mode,
            trigger=trigger,
            include=select,
            exclude=exclude,
            full_refresh=full_refresh,
            allow_history_loss=allow_history_loss,
        )

    def audit(self) -> AuditResult:
        """Prove the tables' invariants from their own logs."""
        return audit(self.spec)


def load(reference: str | Path, *, env: str = "local", params: Mapping[str, str] | None = None) -> Pipeline:
    """The pipeline that a name or a path means; ConfigurationError with every mistake in its files."""
    return Pipeline(load_spec(reference, environment=env, params=params))
