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
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame

    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec

_UNORDERED = ("map<", "variant", "interval")


@dataclass(frozen=True, slots=True)
class _Condition:
    what: str  # for a person
    text: str
    at: Location


def check_rows(flow: FlowSpec, output: DataFrame) -> tuple[str, ...]:
    """ConfigurationError for an expectation or a `delete_when` that names what the rows do not have, is no condition, or differs from run to run.

    What works and should be looked at is given back.
    """
    found: list[Diagnostic] = []
    said: tuple[str, ...] = ()
    for item in _conditions(flow):
        try:
            judged = output.select(F.expr(item.text).alias("_etl_condition"))
            kind = judged.schema[0].dataType
        except AnalysisException as cause:
            found.append(_not_understood(flow, item, output, cause, "the transform returns"))
            continue
        if not isinstance(kind, BooleanType | NullType):
            message = f"{item.what} of flow '{flow.name}' is of type {kind.simpleString().upper()}: {item.text}"
            found.append(Diagnostic("E349", message, item.at, "write a condition, which is true or false of each row"))
        for name in dict.fromkeys(_volatile(flow, output, judged)):
            message = f"{item.what} of flow '{flow.name}' uses {name}, whose value differs from run to run, so the two modes could never be equal"
            found.append(Diagnostic("E262", message, item.at, FROM_DATA))
        said += deciding_in(analysed_plan(judged), item.what)
    if found:
        raise ConfigurationError(found)
    return said


def check_groups(flow: FlowSpec, inputs: Mapping[str, DataFrame]) -> None:
    """ConfigurationError for a group that names what the input's rows do not have, or by which rows cannot be told apart."""
    found: list[Diagnostic] = []
    for group in flow.groups:
        for name, expression in group.expressions:
            item = _Condition(f"the group '{group.column}'", expression, group.at)
            try:
                judged = inputs[name].select(F.expr(expression))
                kind = judged.schema[0].dataType.simpleString()
            except AnalysisException as cause:
                found.append(_not_understood(flow, item, inputs[name], cause, f"'{name}' has"))
                continue
            if any(word in kind for word in _UNORDERED):
                message = f"{item.what} of flow '{flow.name}' is of type {kind.upper()}, by which rows cannot be grouped: {expression}"
                found.append(Diagnostic("E349", message, group.at, "group by a part of it, or by its text"))
            plan = analysed_plan(judged)
            for volatile in dict.fromkeys((*volatile_in(plan), *computed_clocks(plan, judged))):
                message = f"{item.what} of flow '{flow.name}' uses {volatile}, whose value differs from run to run, so the two modes could never be equal"
                found.append(Diagnostic("E262", message, group.at, FROM_DATA))
    if found:
        raise ConfigurationError(found)


def _conditions(flow: FlowSpec) -> Iterator[_Condition]:
    for item in flow.rules:
        yield _Condition(f"expectation '{item.name}'", item.expr, item.at)
    if flow.sink.delete_when:
        yield _Condition("delete_when", flow.sink.delete_when, flow.sink.at)


def _volatile(flow: FlowSpec, output: DataFrame, judged: DataFrame) -> Iterator[str]:
    """What of a condition differs from run to run: a function, or a column that only `equality: {ignore: …}` lets do so."""
    before, plan = list(volatile_names(analysed_plan(output))), analysed_plan(judged)
    after = list(volatile_names(plan))
    yield from after[: len(after) - len(before)]  # the condition's own come first: it stands above the transform
    yield from computed_clocks(plan, judged)
    ignored = {name.lower() for name in flow.equality.ignore}
    for part in (part for item in expressions(plan.fields.get("projectList")) for part in item.walk()):
        if before and part.name == "AttributeReference" and str(part.fields.get("name")).lower() in ignored:
            yield f"the column '{part.fields.get('name')}'"


def _not_understood(
    flow: FlowSpec, item: _Condition, rows: DataFrame, cause: AnalysisException, whose: str
) -> Diagnostic:
    """What Spark says of an expression, without the plan that it stood in."""
    condition = cause.getCondition() or ""
    said = (cause.getMessage() or str(cause)).split("\n")[0].split(" SQLSTATE")[0]
    said = followable(said).removeprefix(f"[{condition}] ")
    name = (cause.getMessageParameters() or {}).get("objectName", "").replace("`", "")
    if condition.startswith("UNRESOLVED_COLUMN") and name:
        said = f"there is no column '{name}'"
    message = f"{item.what} of flow '{flow.name}' is not understood: {said.strip()}: {item.text}"
    return Diagnostic("E349", message, item.at, f"{whose}: {', '.join(rows.columns)}")
