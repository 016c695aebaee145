"""Values of which no run promises every digit, where they decide about rows: warnings, since the rows at the edge may be none.

A sum or an average of floats depends in its last digits on the order of its parts, and so does all that is made of it. As a value it is
compared within a tolerance; where it filters, joins, groups, orders or is compared, no tolerance helps. Likewise what an aggregate makes
of rows that have no order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.analysis.determinism import ORDERED, UNORDERING
from etl.engine.analysis.lineage import Derivations, expressions, output_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_OF_FLOATS = (
    "Sum", "Average", "TrySum", "TryAverage", "StddevSamp", "StddevPop", "VarianceSamp", "VariancePop", "Skewness", "Kurtosis",
    "Corr", "PearsonCorrelation", "CovSample", "CovPopulation", "RegrAvgX", "RegrAvgY", "RegrSlope", "RegrIntercept", "RegrR2", "RegrSXX",
    "RegrSXY", "RegrSYY",
)  # fmt: skip
_EXACT = (
    "Round", "BRound", "Floor", "Ceil", "RoundFloor", "RoundCeil", "FormatNumber", "IsNull", "IsNotNull", "IsNaN", "Count", "Size",
)  # fmt: skip
"""Functions after which the last digits are gone."""
_WHOLE = ("byte", "short", "integer", "long", "boolean")
_COMPARISONS = (
    "EqualTo", "EqualNullSafe", "LessThan", "LessThanOrEqual", "GreaterThan", "GreaterThanOrEqual", "In", "InSet", "Between", "InSubquery",
)  # fmt: skip
_TEXTS = ("Murmur3Hash", "XxHash64", "Md5", "Sha1", "Sha2", "Crc32", "StructsToJson", "StructsToCsv", "FormatString")
_DECIDES = {
    "Filter": {"condition": "filters rows"},
    "Join": {"condition": "joins rows"},
    "LateralJoin": {"condition": "joins rows"},
    "AsOfJoin": {"condition": "joins rows", "asOfCondition": "joins rows", "orderExpression": "joins rows"},
    "Aggregate": {"groupingExpressions": "groups rows"},
    "Window": {"partitionSpec": "groups rows", "orderSpec": "orders the rows of a window"},
    "Deduplicate": {"keys": "tells rows apart"},
}
_SETS = ("Distinct", "Except", "Intersect")
_PASSED = ("LocalLimit", "GlobalLimit", "Offset", "Project", "Filter", "SubqueryAlias")
_ADVICE = "its last digits depend on the order of rows, so that rows at the edge may differ between the modes; use DECIMAL, or round it first"
_NO_ORDER = "it depends on the order of rows, so that rows may differ between the modes; sort it, or use min, max, min_by or max_by"


def deciding(plan: PlanNode, flow: FlowSpec) -> tuple[str, ...]:
    """Warnings where values that depend on the order of rows decide about rows, in the plan or in the flow's sink."""
    visitor = _InexactValues(plan)
    decisions = [decision for node in plan.walk() for decision in visitor.at(node)]
    return _warnings((*decisions, *visitor.at_sink(plan, flow)))


def deciding_in(plan: PlanNode, what: str) -> tuple[str, ...]:
    """Warnings where such values decide in a condition, `what`, that the topmost projection of a plan computes."""
    visitor = _InexactValues(plan)
    read = {value for column in expressions(plan.fields.get("projectList")) for value in visitor.inexact(column)}
    return _warnings((value, f"decides in {what}") for value in read)


def _warnings(decisions: Iterable[_Decision]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{name}, {words}: {why}" for (name, why), words in sorted(decisions)))


_Inexact = tuple[str, str]
"""A value in words, and why it must not decide."""
_Decision = tuple[_Inexact, str]
"""A value, and what it decides, in words."""


class _InexactValues:
    """The values of a plan that depend on the order of rows, and what they decide."""

    def __init__(self, plan: PlanNode) -> None:
        self._derivations = Derivations(plan)
        self._of_columns: dict[int, frozenset[_Inexact]] = {}

    def column(self, identity: int) -> frozenset[_Inexact]:
        """The inexact values that a column is made of."""
        if identity not in self._of_columns:
            self._of_columns[identity] = frozenset()  # a recursive query reads itself
            values: set[_Inexact] = set()
            for operator, expression in self._derivations.of(identity):
                values |= self.inexact(expression, operator, _named(expression))
            self._of_columns[identity] = frozenset(values)
        return self._of_columns[identity]

    def inexact(self, expression: Expression, operator: str = "", name: str = "") -> set[_Inexact]:
        """The inexact values that an expression depends on to the last digit; `name`: the column that it is."""
        if expression.name == "AttributeReference":
            return set(self.column(expression.identity))
        if expression.name in _EXACT or (expression.name == "Cast" and _is_whole(expression)):
            return set()
        values = set(_own_inexact(expression, operator, name))
        for identity in expression.outcome():
            values |= self.column(identity)
        for child in expression.children:
            below = self.inexact(child, operator, name)
            is_unordered = expression.name in UNORDERING
            values |= {value for value in below if value[1] != _NO_ORDER} if is_unordered else below
        return values

    def at(self, node: PlanNode) -> Iterator[_Decision]:
        """The decisions of such values in one operator."""
        for field, words in _DECIDES.get(node.name, {}).items():
            for expression in expressions(node.fields.get(field)):
                yield from ((value, words) for value in self.inexact(expression))
        if node.name in _SETS:
            for child in node.children:
                for identity, _ in output_columns(child):
                    yield from ((value, "tells rows apart") for value in self.column(identity))
        if node.name in ("GlobalLimit", "Offset", "Tail"):
            yield from ((value, "decides which rows LIMIT keeps") for value in self._order(node))
        for field in ("projectList", "aggregateExpressions", "windowExpressions", "generator"):
            for column in expressions(node.fields.get(field)):
                yield from self._in_values(column, node.name)

    def _order(self, limit: PlanNode) -> Iterator[_Inexact]:
        """The inexact values that the rows below a limit are sorted by."""
        below = limit
        while below.name in (*_PASSED, "Tail") and below.children:
            below = below.children[0]
        if below.name == "Sort":
            for expression in expressions(below.fields.get("order")):
                yield from self.inexact(expression)

    def _in_values(self, column: Expression, operator: str) -> Iterator[_Decision]:
        """The decisions of such values where they are compared, ordered by or made a text on their way to another value."""
        name = str(column.fields.get("name", ""))
        for part in column.walk():
            words = ""
            if part.name in _COMPARISONS:
                words = f"decides '{name}'"
            elif part.name in _TEXTS or (part.name == "Cast" and part.fields.get("dataType") == "string"):
                words = f"becomes text in '{name}'"
            elif part.name == "AggregateExpression" and part.fields.get("isDistinct"):
                words = f"is counted as one value or as two in '{name}'"
            elif part.name in ("MaxBy", "MinBy"):
                yield from ((value, f"chooses the row of '{name}'") for value in self.inexact(part.children[1]))
            read = part.children[0].children if part.name == "AggregateExpression" else part.children
            if words:
                yield from ((value, words) for child in read for value in self.inexact(child, operator))

    def at_sink(self, plan: PlanNode, flow: FlowSpec) -> Iterator[_Decision]:
        """The decisions of such values where the flow's sink tells rows apart by them."""
        sink = flow.sink
        columns = {name.lower(): identity for identity, name in output_columns(plan)}
        versions = sink.track or (tuple(columns) if sink.strategy == "scd2" else ())
        for words, names in (
            ("is one of sink.keys", sink.keys),
            ("is one of sink.sequence_by", sink.sequence_by),
            ("is one of sink.partition_by", sink.partition_by),
            ("is one of primary_key", flow.primary_key),
            ("is one of the groups", tuple(group.column for group in flow.groups)),
            ("makes versions", versions),
        ):
            for name in names:
                if name.lower() in columns:
                    yield from ((value, words) for value in self.column(columns[name.lower()]))


def _own_inexact(expression: Expression, operator: str, name: str) -> Iterator[_Inexact]:
    """The inexact value that an expression is itself, where it is one."""
    shown = f"'{name}'" if name else f"{expression.name.lower()}()"
    if (
        operator in ("Aggregate", "Window")
        and expression.name in _OF_FLOATS
        and any(map(_is_float, expression.children))
    ):
        yield f"{shown}, a sum or an average of floats", _ADVICE
    if operator == "Aggregate" and expression.name in ORDERED and not expression.fields.get("orderExpressions"):
        yield f"{shown}, {ORDERED[expression.name][0]} of rows that have no order", _NO_ORDER


def _named(column: Expression) -> str:
    """The name of a column that is an aggregate itself; empty where it is made of one, or has no name of the user's."""
    name, value = str(column.fields.get("name", "")), column
    while value.name in ("Alias", "AggregateExpression", "WindowExpression"):
        value = value.children[0]
    return name if (value.name in _OF_FLOATS or value.name in ORDERED) and not name.startswith("_w") else ""


def _is_float(value: Expression) -> bool:
    """Whether a value is a float, as far as its plan says of what type its parts are."""
    if "dataType" in value.fields:
        return value.fields["dataType"] in ("double", "float")
    return any(map(_is_float, value.children))


def _is_whole(cast: Expression) -> bool:
    kind = str(cast.fields.get("dataType"))
    return kind in _WHOLE or kind.startswith("decimal")
