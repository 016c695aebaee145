"""A sample of what a flow makes, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.secrets import redact
from etl.markup import card, code, counted, datum, quiet, table
from etl.planning.plain_values import json_values

if TYPE_CHECKING:
    from etl.config.schema.types import Column


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """Rows that a flow would write, from a sample of its inputs; nothing of it was stored.

    `rows` are plain values (`etl.planning.plain_values`) by column, sensitive ones masked. `sampled`: the rows of the transform's output over the sample, of which
    `dropped` and `quarantined` would not be written; `violated` counts `warn` and `fail` expectations by name. `notes` say what was
    read of each input.
    """

    pipeline: str
    flow: str
    schema: tuple[Column, ...]
    rows: tuple[dict[str, Any], ...]
    sampled: int
    dropped: int
    quarantined: int
    violated: tuple[tuple[str, int], ...]
    notes: tuple[str, ...]

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Each column's name, and its type as Spark writes it."""
        return tuple((column.name, column.type) for column in self.schema)

    def document(self) -> dict[str, Any]:
        """The document of `etl preview --json`."""
        names = [column.name for column in self.schema]
        values = (json_values([row.get(name) for name in names], self.schema) for row in self.rows)
        return {
            "pipeline": self.pipeline,
            "flow": self.flow,
            "columns": [{"name": name, "type": kind} for name, kind in self.columns],
            "rows": [dict(zip(names, row, strict=True)) for row in values],
            "sampled": self.sampled,
            "dropped": self.dropped,
            "quarantined": self.quarantined,
            "violated": dict(self.violated),
            "notes": list(self.notes),
        }

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
