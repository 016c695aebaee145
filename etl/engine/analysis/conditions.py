"""The expressions over one row that stand beside a transform, judged before anything is written: expectations, delete_when, groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation
from pyspark.sql.types import BooleanType, NullType

from etl.config.diagnostics import Diagnostic
from etl.config.sql.volatile import FROM_DATA
from etl.engine.analysis.deciding import deciding_in
from etl.engine.analysis.determinism import volatile_names
from etl.engine.analysis.lineage import expressions
from etl.engine.analysis.volatile import computed_clocks, volatile_in
from etl.engine.faults.advice import followable
from etl.engine.session.analysed_plan import analysed_plan
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame

    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec

_UNORDERED = ("map<", "variant", "interval")


@dataclass(frozen=True, slots=True)
class _Condition:
    """An expression over one row.

    Attributes:
        what: what it is, for a person.
        text: its SQL.
    """

    what: str
    text: str
    at: Location


def check_rows(flow: FlowSpec, output: DataFrame) -> tuple[str, ...]:
    """Warnings of the flow's expectations and its `delete_when`, which are conditions over the columns of `output`.

    Raises ConfigurationError where one names what the rows do not have, is no condition, or differs from run to run.
    """
    diagnostics: list[Diagnostic] = []
    warnings: tuple[str, ...] = ()
    for condition in _conditions(flow):
        try:
            computed = output.select(F.expr(condition.text).alias("_etl_condition"))
            kind = computed.schema[0].dataType
        except AnalysisException as cause:
            diagnostics.append(_not_understood(flow, condition, output, cause, "the transform returns"))
            continue
        if not isinstance(kind, BooleanType | NullType):
            message = (
                f"{condition.what} of flow '{flow.name}' is of type {kind.simpleString().upper()}: {condition.text}"
            )
            hint = "write a condition, which is true or false of each row"
            diagnostics.append(Diagnostic("E349", message, condition.at, hint))
        diagnostics += _differing(flow, condition, _volatile(flow, output, computed))
        warnings += deciding_in(analysed_plan(computed), condition.what)
    if diagnostics:
        raise ConfigurationError(diagnostics)
    return warnings


def check_groups(flow: FlowSpec, inputs: Mapping[str, DataFrame]) -> None:
    """Raise ConfigurationError for a group that names what the input's rows do not have, or by which rows cannot be told apart."""
    diagnostics: list[Diagnostic] = []
    for group in flow.groups:
        for name, expression in group.expressions:
            condition = _Condition(f"the group '{group.column}'", expression, group.at)
            try:
                computed = inputs[name].select(F.expr(expression))
                kind = computed.schema[0].dataType.simpleString()
            except AnalysisException as cause:
                diagnostics.append(_not_understood(flow, condition, inputs[name], cause, f"'{name}' has"))
                continue
            if any(word in kind for word in _UNORDERED):
                message = f"{condition.what} of flow '{flow.name}' is of type {kind.upper()}, by which rows cannot be grouped: {expression}"
                diagnostics.append(Diagnostic("E349", message, group.at, "group by a part of it, or by its text"))
            plan = analysed_plan(computed)
            diagnostics += _differing(flow, condition, (*volatile_in(plan), *computed_clocks(plan, computed)))
    if diagnostics:
        raise ConfigurationError(diagnostics)


def _differing(flow: FlowSpec, condition: _Condition, names: Iterable[str]) -> Iterator[Diagnostic]:
    """A diagnostic for each of what a condition uses that differs from run to run, by its name in SQL."""
    for name in dict.fromkeys(names):
        message = f"{condition.what} of flow '{flow.name}' uses {name}, whose value differs from run to run, so the two modes could never be equal"
        yield Diagnostic("E262", message, condition.at, FROM_DATA)


def _conditions(flow: FlowSpec) -> Iterator[_Condition]:
    for expectation in flow.rules:
        yield _Condition(f"expectation '{expectation.name}'", expectation.expr, expectation.at)
    if flow.sink.delete_when:
        yield _Condition("delete_when", flow.sink.delete_when, flow.sink.at)


def _volatile(flow: FlowSpec, output: DataFrame, computed: DataFrame) -> Iterator[str]:
    """The SQL names of what differs from run to run in a condition, `computed` over `output`: a function, or a column that only `equality: {ignore: …}` lets do so."""
    before, plan = list(volatile_names(analysed_plan(output))), analysed_plan(computed)
    after = list(volatile_names(plan))
    yield from after[: len(after) - len(before)]  # the condition's own come first: it stands above the transform
    yield from computed_clocks(plan, computed)
    ignored = {name.lower() for name in flow.equality.ignore}
    for part in (part for column in expressions(plan.fields.get("projectList")) for part in column.walk()):
        if before and part.name == "AttributeReference" and str(part.fields.get("name")).lower() in ignored:
            yield f"the column '{part.fields.get('name')}'"


def _not_understood(
    flow: FlowSpec, condition: _Condition, rows: DataFrame, cause: AnalysisException, whose: str
) -> Diagnostic:
    """Spark's refusal of an expression, without the plan that it stood in."""
    error = cause.getCondition() or ""
    reason = (cause.getMessage() or str(cause)).split("\n")[0].split(" SQLSTATE")[0]
    reason = followable(reason).removeprefix(f"[{error}] ")
    name = (cause.getMessageParameters() or {}).get("objectName", "").replace("`", "")
    if error.startswith("UNRESOLVED_COLUMN") and name:
        reason = f"there is no column '{name}'"
    message = f"{condition.what} of flow '{flow.name}' is not understood: {reason.strip()}: {condition.text}"
    return Diagnostic("E349", message, condition.at, f"{whose}: {', '.join(rows.columns)}")
