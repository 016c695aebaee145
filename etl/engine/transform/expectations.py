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
"""BOOLEAN: whether the row goes nowhere."""
REASON = "_etl_reason"
"""STRING: the violated `quarantine` expectations of the row, in the order of the file; NULL where there are none."""

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """A transform's output with the verdict on each row.

    Attributes:
        rows: `columns`; `_etl_dropped BOOLEAN` where `drops`, `_etl_reason STRING` where `quarantines`, and `_etl_warn_<i> BOOLEAN`,
            violated, for each of `warns`.
        columns: the names of the transform's columns.
        warns: the names of the `warn` expectations.
    """

    rows: DataFrame
    columns: tuple[str, ...]
    drops: bool
    quarantines: bool
    warns: tuple[str, ...]

    @property
    def good(self) -> DataFrame:
        """The rows that go to the sink, with the transform's columns."""
        rows = self.rows
        if self.drops:
            rows = rows.filter(~F.col(DROPPED))
        if self.quarantines:
            rows = rows.filter(F.col(REASON).isNull())
        return rows.select(*(_quoted(name) for name in self.columns))

    @property
    def quarantined(self) -> DataFrame:
        """The rows that go to quarantine: `_etl_reason STRING`, and the transform's columns."""
        is_quarantined = F.col(REASON).isNotNull()
        if self.drops:
            is_quarantined = is_quarantined & ~F.col(DROPPED)
        return self.rows.filter(is_quarantined).select(REASON, *(_quoted(name) for name in self.columns))

    def counts(self) -> list[Column]:
        """The aggregates over `rows` that count the verdicts: `rows`, `dropped`, `quarantined`, and `warn_<i>` for each of `warns`."""
        dropped = F.col(DROPPED) if self.drops else F.expr("false")
        quarantined = ~dropped & F.col(REASON).isNotNull() if self.quarantines else F.expr("false")
        counts = [
            F.count(F.lit(1)).alias("rows"),
            F.count_if(dropped).alias("dropped"),
            F.count_if(quarantined).alias("quarantined"),
        ]
        return counts + [F.count_if(F.col(_warning(index))).alias(f"warn_{index}") for index in range(len(self.warns))]


def check(
    rows: DataFrame, expectations: tuple[ExpectationSpec, ...], *, hidden: frozenset[str] = frozenset()
) -> Checked:
    """The rows with the verdict on each: their columns, and `_etl_dropped`, `_etl_reason` and `_etl_warn_<i>` as `Checked` says.

    Lazy, in one projection. Computing `_etl_dropped` fails at a row that violates a `fail` expectation; the error shows no value of the
    `hidden` columns.
    """
    columns = tuple(rows.columns)
    by = {
        consequence: [expectation for expectation in expectations if expectation.on_violation == consequence]
        for consequence in ("fail", "drop", "quarantine", "warn")
    }
    verdicts: dict[str, Column] = {}
    if by["drop"] or by["fail"]:
        dropped = F.expr("false")
        for expectation in by["drop"]:
            dropped = dropped | _violated(expectation)
        # An error belongs in the filter's own column: beside it, the optimiser would prune it away.
        for expectation in reversed(by["fail"]):
            error = F.raise_error(_message(expectation, columns, hidden)).cast("boolean")
            dropped = F.when(_violated(expectation), error).otherwise(dropped)
        verdicts[DROPPED] = dropped
    if by["quarantine"]:
        names = [F.when(_violated(expectation), F.lit(expectation.name)) for expectation in by["quarantine"]]
        reason = F.concat_ws(", ", *names)
        verdicts[REASON] = F.when(reason != "", reason)
    for index, expectation in enumerate(by["warn"]):
        verdicts[_warning(index)] = _violated(expectation)
    return Checked(
        rows=rows.withColumns(verdicts) if verdicts else rows,
        columns=columns,
        drops=DROPPED in verdicts,
        quarantines=REASON in verdicts,
        warns=tuple(expectation.name for expectation in by["warn"]),
    )


def over(checked: Checked, rows: DataFrame) -> Checked:
    """The same verdicts, read from `rows`: the checked rows observed or cached."""
    return replace(checked, rows=rows)


def _violated(expectation: ExpectationSpec) -> Column:
    return ~F.coalesce(F.expr(expectation.expr).cast("boolean"), F.expr("false"))


def _message(expectation: ExpectationSpec, columns: tuple[str, ...], hidden: frozenset[str]) -> Column:
    row = F.substring(F.to_json(F.struct(*masked(columns, hidden))), 1, _SHOWN)
    return F.concat(F.lit(f"[{markers.EXPECTATION}:{expectation.name}] "), row)


def _warning(index: int) -> str:
    return f"_etl_warn_{index}"


def _quoted(name: str) -> Column:
    return F.col(quoted(name))
