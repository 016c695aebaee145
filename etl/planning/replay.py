"""What became of rows that a flow had quarantined and that were tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.markup import counted

if TYPE_CHECKING:
    from etl.planning.results import Counts


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What a replay did. `counts` are of all rows that were recomputed: those of the keys or groups of the rows that were tried."""

    run_id: str
    pipeline: str
    flow: str
    id: str
    status: Literal["succeeded", "unchanged", "failed"]
    columns: tuple[str, ...]  # of the output, that told which rows to recompute
    tried: int  # rows that lay in quarantine
    malformed: int  # that stay there: a text that did not parse has no columns to be judged by
    counts: Counts
    generation: int
    target: str
    quarantine: str
    started_at: str  # ISO 8601, UTC
    duration_s: float
    mode: Literal["replay"] = "replay"
    warnings: tuple[str, ...] = ()
    note: str = ""  # why there was nothing to do
    error: str | None = None

    def __repr__(self) -> str:
        of = f"Replay of what {self.pipeline}.{self.flow} has quarantined: {self.status}"
        if self.status != "succeeded":
            return f"{of}; {self.note or self.error or ''}".removesuffix("; ")
        counts = self.counts
        told = f", {counts.dropped:,} dropped" if counts.dropped else ""
        kept = f"; {self.malformed:,} malformed rows stay as they are" if self.malformed else ""
        return (
            f"{of}; {counted(self.tried, 'row')} tried again by {', '.join(self.columns)}:"
            f" {counted(counts.written, 'row')} written{told}, {counts.quarantined:,} quarantined again{kept}"
        )
