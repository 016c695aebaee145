"""Whether results that are still open decide which rows a state flow has, in its update mode.

Each epoch brings the results that it has changed, and a merge puts them in the place of the older ones with their keys. So a result may
change, and must not go: one that comes to be filtered out, or gets other keys, would leave behind what it was before. A filter that a
result passes for good once it has passed it (a count above a limit, a least value below one) leaves nothing behind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from etl.config.diagnostics import Diagnostic
from etl.config.sql.locations import place_of
from etl.engine.analysis.lineage import expressions, output_columns
from etl.engine.analysis.visitor import ColumnVisitor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_Way = Literal["rises", "falls", "moves"]
_Column = tuple[int, _Way | None]
"""Its identity; how later rows change it, None where they do not."""

_WAYS: Mapping[str, _Way] = {
    "Count": "rises", "CountIf": "rises", "Max": "rises", "BoolOr": "rises", "Min": "falls", "BoolAnd": "falls",
}  # fmt: skip
_OPPOSITE: Mapping[_Way, _Way] = {"rises": "falls", "falls": "rises", "moves": "moves"}
_COMPUTING = {"Aggregate": "aggregateExpressions", "Project": "projectList"}
_ABOVE, _BELOW = ("GreaterThan", "GreaterThanOrEqual"), ("LessThan", "LessThanOrEqual")
_DIGITS = {"byte": 3, "short": 5, "integer": 10, "long": 19}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_PASSING = {
    "SubqueryAlias", "View", "Distinct", "Deduplicate", "DeduplicateWithinWatermark", "EventTimeWatermark", "CollectMetrics", "Repartition",
    "RepartitionByExpression", "ResolvedHint", "UnresolvedHint",
    "Sort", "GlobalLimit", "LocalLimit", "Window",  # which Spark refuses, and says why
}  # fmt: skip


class _Unsettled(Exception):
    """An operator whose rows depend on results that are still open, in words; `word`: what says it in SQL. It never leaves this module."""

    def __init__(self, what: str, word: str = "") -> None:
        super().__init__(what)
        self.word = word


def unsettled(plan: PlanNode, flow: FlowSpec, changes: frozenset[str]) -> Diagnostic | None:
    """A diagnostic where open results decide about the rows of a flow whose mode is update; None where they decide nothing."""
    if flow.state is None or flow.state.output_mode != "update":
        return None
    try:
        _OpenResults(plan, changes).check_output(flow.sink.keys)
    except _Unsettled as cause:
        return Diagnostic(
            "E266",
            f"flow '{flow.name}' updates results that are still open, and {cause}: one that changes would leave its earlier row behind",
            place_of(flow, rf"\b({cause.word})\b") if cause.word else flow.at,
            "let an expectation drop or quarantine such results, which takes them back; or write closed results only:"
            " incremental: {state: {output_mode: append}}; groups takes any query",
        )
    return None


class _OpenResults(ColumnVisitor["_Way | None"]):
    """Says of each column how later rows change it, and raises _Unsettled at an operator whose rows open results decide."""

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        super().__init__(plan, changes)
        self._plan = plan

    def check_output(self, keys: tuple[str, ...]) -> None:
        """Raise _Unsettled where open results decide about rows, or are one of the sink's `keys`."""
        ways = dict(self.look(self._plan))
        key_names = {name.lower() for name in keys}
        for identity, name in output_columns(self._plan):
            if name.lower() in key_names and ways.get(identity) is not None:
                raise _Unsettled(f"its key '{name}' is such a result")

    def of_input(self, node: PlanNode) -> list[_Column]:
        return self.of_constant(node)

    def of_constant(self, node: PlanNode) -> list[_Column]:
        return [(identity, None) for identity, _ in output_columns(node)]

    def of_reference(self, node: PlanNode, defined: list[_Column]) -> list[_Column]:
        own = expressions(node.fields.get("output"))
        return [(column.identity, way) for column, (_, way) in zip(own, defined, strict=True)] if defined else []

    def of_operator(self, node: PlanNode) -> list[_Column]:
        parts = [self.look(child) for child in node.children]
        if node.name == "Union":
            return [(column[0][0], _common(way for _, way in column)) for column in zip(*parts, strict=True)]
        open_columns = {identity: way for part in parts for identity, way in part if way is not None}
        if node.name in _COMPUTING:
            columns = expressions(node.fields[_COMPUTING[node.name]])
            return [(column.identity, _way(column, open_columns)) for column in columns]
        if open_columns and node.name not in _PASSING:
            _must_be_settled(node, open_columns)
        return [(identity, open_columns.get(identity)) for identity, _ in output_columns(node)]


def _must_be_settled(node: PlanNode, open_columns: Mapping[int, _Way]) -> None:
    """Raise _Unsettled where an operator decides about rows by values that are open."""
    if node.name == "Filter":
        for conjunct in expressions(node.fields["condition"]):
            if _way(conjunct, open_columns) not in (None, "rises"):
                raise _Unsettled(f"filters them by {_named(conjunct, open_columns)}", "HAVING")
    elif node.name == "Join":
        for condition in expressions(node.fields.get("condition")):
            if _reads(condition, open_columns):
                raise _Unsettled(f"joins them by {_named(condition, open_columns)}")
    elif node.name == "Generate":
        for generator in expressions(node.fields["generator"]):
            if _reads(generator, open_columns):
                raise _Unsettled(f"makes rows out of {_named(generator, open_columns)}")
    else:
        raise _Unsettled(f"has the operator {node.name} over them, which may leave some out")


def _way(value: Expression, open_columns: Mapping[int, _Way]) -> _Way | None:
    """The way in which later rows change a value, None where they do not; of a condition: whether it comes to hold and then holds for good (it rises), or the other way round."""
    if value.name == "AttributeReference":
        return open_columns.get(value.identity)
    if value.name == "AggregateExpression":
        return _WAYS.get(value.children[0].name, "moves")
    if not _reads(value, open_columns):
        return None
    ways = [_way(child, open_columns) for child in value.children]
    if value.name in ("Alias", "And", "Or") or (value.name == "Cast" and _widens(value)):
        return _common(ways)
    if value.name == "Not" and ways[0] is not None:
        return _OPPOSITE[ways[0]]
    if value.name == "IsNotNull" and ways[0] != "moves":
        return "rises"
    if value.name in (*_ABOVE, *_BELOW):
        more, less = ways if value.name in _ABOVE else reversed(ways)
        return _common((more, _OPPOSITE[less] if less else None))
    return "moves"


def _widens(cast: Expression) -> bool:
    """Whether a cast takes every number as it is. Others keep no order: of texts '10' is before '9', and what does not fit may be NULL."""
    source, target = _type(cast.children[0]), str(cast.fields["dataType"])
    source_digits, target_digits = _digits(source), _digits(target)
    if source_digits is None:
        return target == "double" and source in ("float", "double")
    if target_digits is None:
        return target == "double"
    return target_digits[0] >= source_digits[0] and target_digits[1] >= source_digits[1]


def _type(value: Expression) -> str:
    """The type of a value that rises or falls, by its name in Spark's JSON; empty of others."""
    if value.name in ("Count", "CountIf"):
        return "long"
    if value.name in ("Alias", "AggregateExpression", "Max", "Min"):
        return _type(value.children[0])
    return str(value.fields.get("dataType", ""))


def _digits(name: str) -> tuple[int, int] | None:
    """The numbers of digits of an exact number type before and after its point; None of any other type."""
    if name in _DIGITS:
        return _DIGITS[name], 0
    decimal = _DECIMAL.fullmatch(name)
    return (int(decimal[1]) - int(decimal[2]), int(decimal[2])) if decimal else None


def _common(ways: Iterable[_Way | None]) -> _Way | None:
    changes = {way for way in ways if way is not None}
    return changes.pop() if len(changes) == 1 else "moves" if changes else None


def _reads(value: Expression, open_columns: Mapping[int, _Way]) -> bool:
    """Whether a value is made of results that are open."""
    return any(
        part.identity in open_columns or part.name == "AggregateExpression" or "UDAF" in part.name
        for part in value.walk()
    )


def _named(value: Expression, open_columns: Mapping[int, _Way]) -> str:
    names = [str(part.fields.get("name")) for part in value.walk() if part.identity in open_columns]
    return ", ".join(f"'{name}'" for name in dict.fromkeys(names))
