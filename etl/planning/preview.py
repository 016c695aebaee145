"""A sample of what a flow makes, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from etl.config.secrets import redact
from etl.markup import card, code, counted, datum, quiet, table


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """Rows that a flow would write, from a sample of its inputs; nothing of it was stored.

    `rows` are plain JSON values, sensitive ones masked. `sampled`: the rows of the transform's output over the sample, of which
    `dropped` and `quarantined` would not be written; `violated` counts `warn` and `fail` expectations by name. `notes` say what was
    read of each input.
    """

    pipeline: str
    flow: str
    columns: tuple[tuple[str, str], ...]  # name and Spark's type
    rows: tuple[dict[str, Any], ...]
    sampled: int
    dropped: int
    quarantined: int
    violated: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """How many rows there are, and what would become of them."""
        good = self.sampled - self.dropped - self.quarantined
        parts = [f"{counted(self.sampled, 'row')} from the sample: {good:,} would be written"]
        parts += [f"{self.dropped:,} dropped"] if self.dropped else []
        parts += [f"{self.quarantined:,} quarantined"] if self.quarantined else []
        parts += [f"'{name}' is violated by {count:,}" for name, count in self.violated if count]
        return ", ".join(parts)

    def __repr__(self) -> str:
        return redact(f"Preview of {self.pipeline}.{self.flow}: {self.summary}")

    def _repr_html_(self) -> str:
        names = [name for name, _ in self.columns]
        rows = [[datum(row.get(name)) for name in names] for row in self.rows]
        return card(
            [f"{self.pipeline}.{self.flow} "],
            quiet(self.summary),
            table([f"{name} {kind}" for name, kind in self.columns], rows),
            *(quiet(code(note)) for note in self.notes),
        )
