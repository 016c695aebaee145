"""Rows of a table as plain values, to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.secrets import redact
from etl.markup import card, code, counted, datum, quiet, table
from etl.planning.plain_values import json_values

if TYPE_CHECKING:
    from etl.config.schema.types import Column


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Some rows of a flow's target, of its quarantine or of a source, or of a query over one of them.

    Attributes:
        dataset: The flow or the source.
        version: The version of the table that was read; None of what has none.
        rows: The values, column by column, as `etl.planning.plain_values` has them; sensitive ones are masked.
        is_whole: Whether these are all rows that there are.
        notes: What should be known of how they were read.
    """

    pipeline: str
    dataset: str
    version: int | None
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_whole: bool
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """How many rows are shown, of which version."""
        count = counted(len(self.rows), "row")
        if not self.is_whole:
            count = "the first row" if len(self.rows) == 1 else f"the first {count}"
        return count if self.version is None else f"{count} of version {self.version}"

    def document(self) -> dict[str, Any]:
        """The document of `etl show --json`."""
        return {
            "pipeline": self.pipeline,
            "flow": self.dataset,
            "version": self.version,
            "columns": [{"name": column.name, "type": column.type} for column in self.columns],
            "rows": [json_values(row, self.columns) for row in self.rows],
            "whole": self.is_whole,
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return redact(f"{self.pipeline}.{self.dataset}: {self.summary}")

    def _repr_html_(self) -> str:
        return card(
            [f"{self.pipeline}.{self.dataset} "],
            quiet(self.summary),
            table(
                [f"{column.name} {column.type}" for column in self.columns],
                [[datum(value) for value in row] for row in self.rows],
            ),
            *(quiet(code(note)) for note in self.notes),
        )
