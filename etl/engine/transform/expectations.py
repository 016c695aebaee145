"""Expectations as columns: each row of a transform's output gets one verdict, in the pass that writes it.

False and NULL are violations. The strictest consequence wins: `fail` ends the flow, then `drop`, then `quarantine`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.faults import markers
from etl.engine.transform.contract import masked

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from etl.config.spec import ExpectationSpec

DROPPED = "_etl_dropped"
REASON = "_etl_reason"
"""The quarantine column that says why; NULL on a row that is good."""

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """A transform's output with its verdicts beside it: `rows` has the columns `columns`, DROPPED and REASON."""

    rows: DataFrame
    columns: tuple[str, ...]
    drops: bool
    quarantines: bool
    warns: tuple[str, ...]

    @property
    def good(self) -> DataFrame:
        """The rows that go to the sink."""
        rows = self.rows
        if self.drops:
            rows = rows.filter(~F.col(DROPPED))
        if self.quarantines:
            rows = rows.filter(F.col(REASON).isNull())
        return rows.select(*(_quoted(name) for name in self.columns))

    @property
    def quarantined(self) -> DataFrame:
        """The rows that go to quarantine, with REASON."""
        kept = F.col(REASON).isNotNull()
        if self.drops:
            kept = kept & ~F.col(DROPPED)
        return self.rows.filter(kept).select(REASON, *(_quoted(name) for name in self.columns))

    def counts(self) -> list[Column]:
        """The aggregates that count the verdicts: `rows`, `dropped`, `quarantined`, and one a `warn` expectation."""
        dropped = F.col(DROPPED) if self.drops else F.expr("false")
        quarantined = ~dropped & F.col(REASON).isNotNull() if self.quarantines else F.expr("false")
        found = [
            F.count(F.lit(1)).alias("rows"),
            F.count_if(dropped).alias("dropped"),
            F.count_if(quarantined).alias("quarantined"),
        ]
        return found + [F.count_if(F.col(_warning(index))).alias(f"warn_{index}") for index in range(len(self.warns))]


def check(
    rows: DataFrame, expectations: tuple[ExpectationSpec, ...], *, hidden: frozenset[str] = frozenset()
) -> Checked:
    """Put a verdict beside every row; lazy, in one projection. Messages show no value of the `hidden` columns."""
    columns = tuple(rows.columns)
    by = {
        wanted: [item for item in expectations if item.on_violation == wanted]
        for wanted in ("fail", "drop", "quarantine", "warn")
    }
    verdicts: dict[str, Column] = {}
    if by["drop"] or by["fail"]:
        dropped = F.expr("false")
        for item in by["drop"]:
            dropped = dropped | _violated(item)
        # An error belongs in the filter's own column: beside it, the optimiser would prune it away.
        for item in reversed(by["fail"]):
            dropped = F.when(_violated(item), F.raise_error(_message(item, columns, hidden)).cast("boolean")).otherwise(
                dropped
            )
        verdicts[DROPPED] = dropped
    if by["quarantine"]:
        names = [F.when(_violated(item), F.lit(item.name)) for item in by["quarantine"]]
        reason = F.concat_ws(", ", *names)
        verdicts[REASON] = F.when(reason != "", reason)
    for index, item in enumerate(by["warn"]):
        verdicts[_warning(index)] = _violated(item)
    return Checked(
        rows=rows.withColumns(verdicts) if verdicts else rows,
        columns=columns,
        drops=DROPPED in verdicts,
        quarantines=REASON in verdicts,
        warns=tuple(item.name for item in by["warn"]),
    )


def over(checked: Checked, rows: DataFrame) -> Checked:
    """The same verdicts, read from `rows`: the checked rows observed or cached."""
    return replace(checked, rows=rows)


def _violated(item: ExpectationSpec) -> Column:
    return ~F.coalesce(F.expr(item.expr).cast("boolean"), F.expr("false"))


def _message(item: ExpectationSpec, columns: tuple[str, ...], hidden: frozenset[str]) -> Column:
    row = F.substring(F.to_json(F.struct(*masked(columns, hidden))), 1, _SHOWN)
    return F.concat(F.lit(f"[{markers.EXPECTATION}:{item.name}] "), row)


def _warning(index: int) -> str:
    return f"_etl_warn_{index}"


def _quoted(name: str) -> Column:
    return F.col(quoted(name))
