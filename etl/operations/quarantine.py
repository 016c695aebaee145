"""`etl quarantine list`: the quarantined rows, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.masking import masked, sensitive
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.engine.tables import quarantine_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class FlowQuarantine:
    """What one flow has quarantined.

    Attributes:
        table: The path of the quarantine.
        counts: Reason → how many rows.
        rows: Some of the rows, as JSON values.
    """

    flow: str
    table: str
    counts: dict[str, int]
    rows: tuple[dict[str, Any], ...]

    @property
    def total(self) -> int:
        """How many rows there are, for whatever reason."""
        return sum(self.counts.values())


def quarantine(
    spec: PipelineSpec, *, flows: Sequence[str] = (), reason: str | None = None, limit: int = 20
) -> tuple[FlowQuarantine, ...]:
    """The rows that the named flows, or all, have quarantined; sensitive columns are masked.

    Starts Spark only where a table's log does not say itself that it is empty.
    """
    must_be_readable(spec)
    sessions = Sessions(spec.spark, storage=spec.storage, app_name=f"etl quarantine {spec.name}", short=True)
    quarantines = []
    try:
        for flow in spec.flows:
            if flows and flow.name not in flows:
                continue
            table = FlowPaths.of(spec, flow).quarantine
            if quarantine_rows.is_empty(table):
                quarantines.append(FlowQuarantine(flow.name, table, {}, ()))
                continue
            session = sessions.get().flow_session(flow.timezone)
            aside = quarantine_rows.read(session, table, reason=reason, limit=limit)
            hidden = sensitive(flow)
            # The text of a malformed row may hold what its columns would.
            hidden = hidden | {"_etl_record"} if hidden else hidden
            rows = tuple(masked(row, hidden) for row in aside.rows)
            quarantines.append(FlowQuarantine(flow.name, table, aside.counts, rows))
    finally:
        sessions.close()
    return tuple(quarantines)
