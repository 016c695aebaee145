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
    """What to say where values that depend on the order of rows decide about rows, in the plan or in the flow's sink."""
    look = _Look(plan)
    told = [message for node in plan.walk() for message in look.at(node)]
    return _said((*told, *look.at_sink(plan, flow)))


def deciding_in(plan: PlanNode, what: str) -> tuple[str, ...]:
    """What to say where such values decide in a condition, `what`, that the topmost projection of a plan computes."""
    look = _Look(plan)
    read = {name for item in expressions(plan.fields.get("projectList")) for name in look.inexact(item)}
    return _said((name, f"decides in {what}") for name in read)


def _said(told: Iterable[tuple[tuple[str, str], str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{name}, {words}: {why}" for (name, why), words in sorted(told)))


_Named = tuple[str, str]  # a value in words, why it must not decide


class _Look:
    def __init__(self, plan: PlanNode) -> None:
        self._made = Derivations(plan)
        self._known: dict[int, frozenset[_Named]] = {}

    def column(self, identity: int) -> frozenset[_Named]:
        """The inexact values that a column is made of."""
        if identity not in self._known:
            self._known[identity] = frozenset()  # a recursive query reads itself
            found: set[_Named] = set()
            for operator, item in self._made.of(identity):
                found |= self.inexact(item, operator, _named(item))
            self._known[identity] = frozenset(found)
        return self._known[identity]

    def inexact(self, item: Expression, operator: str = "", name: str = "") -> set[_Named]:
        """The inexact values that an expression depends on to the last digit; `name`: the column that it is."""
        if item.name == "AttributeReference":
            return set(self.column(item.identity))
        if item.name in _EXACT or (item.name == "Cast" and _is_whole(item)):
            return set()
        found: set[_Named] = set()
        if operator in ("Aggregate", "Window"):
            called = f"'{name}'" if name else f"{item.name.lower()}()"
            if item.name in _OF_FLOATS and any(map(_is_float, item.children)):
                found.add((f"{called}, a sum or an average of floats", _ADVICE))
            if operator == "Aggregate" and item.name in ORDERED and not item.fields.get("orderExpressions"):
                found.add((f"{called}, {ORDERED[item.name][0]} of rows that have no order", _NO_ORDER))
        for identity in item.outcome():
            found |= self.column(identity)
        if item.name in UNORDERING:
            return found | {part for child in item.children for part in self._digits(child, operator, name)}
        for child in item.children:
            found |= self.inexact(child, operator, name)
        return found

    def _digits(self, item: Expression, operator: str, name: str) -> Iterator[_Named]:
        yield from (part for part in self.inexact(item, operator, name) if part[1] != _NO_ORDER)

    def at(self, node: PlanNode) -> Iterator[tuple[_Named, str]]:
        """What decides in one operator, and how."""
        for field, words in _DECIDES.get(node.name, {}).items():
            for item in expressions(node.fields.get(field)):
                yield from ((part, words) for part in self.inexact(item))
        if node.name in _SETS:
            for child in node.children:
                for identity, _ in output_columns(child):
                    yield from ((part, "tells rows apart") for part in self.column(identity))
        if node.name in ("GlobalLimit", "Offset", "Tail"):
            yield from ((part, "decides which rows LIMIT keeps") for part in self._order(node))
        for field in ("projectList", "aggregateExpressions", "windowExpressions", "generator"):
            for item in expressions(node.fields.get(field)):
                yield from self._in_values(item, node.name)

    def _order(self, limit: PlanNode) -> Iterator[_Named]:
        below = limit
        while below.name in (*_PASSED, "Tail") and below.children:
            below = below.children[0]
        if below.name == "Sort":
            for item in expressions(below.fields.get("order")):
                yield from self.inexact(item)

    def _in_values(self, whole: Expression, operator: str) -> Iterator[tuple[_Named, str]]:
        """Where a value is compared, ordered by or made a text on its way to another."""
        name = str(whole.fields.get("name", ""))
        for item in whole.walk():
            words = ""
            if item.name in _COMPARISONS:
                words = f"decides '{name}'"
            elif item.name in _TEXTS or (item.name == "Cast" and item.fields.get("dataType") == "string"):
                words = f"becomes text in '{name}'"
            elif item.name == "AggregateExpression" and item.fields.get("isDistinct"):
                words = f"is counted as one value or as two in '{name}'"
            elif item.name in ("MaxBy", "MinBy"):
                yield from ((part, f"chooses the row of '{name}'") for part in self.inexact(item.children[1]))
            read = item.children[0].children if item.name == "AggregateExpression" else item.children
            if words:
                yield from ((part, words) for child in read for part in self.inexact(child, operator))

    def at_sink(self, plan: PlanNode, flow: FlowSpec) -> Iterator[tuple[_Named, str]]:
        """Where a sink tells rows apart by such values."""
        sink = flow.sink
        columns = {name.lower(): identity for identity, name in output_columns(plan)}
        versions = sink.track or (tuple(columns) if sink.strategy == "scd2" else ())
        for words, names in (
            ("is one of sink.keys", sink.keys),
            ("is one of sink.sequence_by", sink.sequence_by),
            ("is one of sink.partition_by", sink.partition_by),
            ("is one of primary_key", flow.primary_key),
            ("is one of the groups", tuple(item.column for item in flow.groups)),
            ("makes versions", versions),
        ):
            for name in names:
                if name.lower() in columns:
                    yield from ((part, words) for part in self.column(columns[name.lower()]))


def _named(whole: Expression) -> str:
    """The name of a column that is an aggregate itself; empty where it is made of one, or has no name of the user's."""
    name, item = str(whole.fields.get("name", "")), whole
    while item.name in ("Alias", "AggregateExpression", "WindowExpression"):
        item = item.children[0]
    return name if (item.name in _OF_FLOATS or item.name in ORDERED) and not name.startswith("_w") else ""


def _is_float(value: Expression) -> bool:
    """Whether a value is a float, as far as its plan says of what type its parts are."""
    if "dataType" in value.fields:
        return value.fields["dataType"] in ("double", "float")
    return any(map(_is_float, value.children))


def _is_whole(cast: Expression) -> bool:
    kind = str(cast.fields.get("dataType"))
    return kind in _WHOLE or kind.startswith("decimal")
