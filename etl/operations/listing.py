"""What `etl list` shows of a pipeline: its flows, its last run, how old the answer of its stalest flow is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.engine.metadata.delta_log import log_versions, read_commit
from etl.engine.storage.layout import FlowPaths
from etl.record.runs import newest

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec


@dataclass(frozen=True, slots=True)
class PipelineListing:
    """A pipeline in one line.

    Attributes:
        last_run: the run that began last; None where none is recorded.
        status: that run's.
        lag_s: seconds since the newest commit of the flow whose newest commit is the oldest; None where a flow has none.
    """

    pipeline: str
    flows: tuple[str, ...]
    last_run: str | None = None
    status: str | None = None
    started_at: str | None = None
    lag_s: float | None = None


def listing(spec: PipelineSpec) -> PipelineListing:
    """The line of a pipeline, from its records and its tables' own logs."""
    record = newest(spec.storage, spec.name)
    commits = [_newest_commit_ms(spec, flow) for flow in spec.flows]
    known = [at for at in commits if at is not None]
    lag_s = round(time.time() - min(known) / 1000, 1) if known and len(known) == len(commits) else None
    return PipelineListing(
        pipeline=spec.name,
        flows=tuple(flow.name for flow in spec.flows),
        last_run=record.run_id if record is not None else None,
        status=record.status if record is not None else None,
        started_at=record.started_at if record is not None else None,
        lag_s=lag_s,
    )


def _newest_commit_ms(spec: PipelineSpec, flow: FlowSpec) -> int | None:
    target = FlowPaths.of(spec, flow).target
    versions = log_versions(target)
    return read_commit(target, versions[-1]).timestamp_ms if versions else None
