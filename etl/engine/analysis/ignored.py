"""Columns of a plan that end in columns that `equality: {ignore: …}` names, and nowhere else: their values may differ from run to run.

They are followed from the output's columns downwards, through projections, filters, joins, unions, aggregates and WITH. A column that
anything else reads (a filter, a key, another column) is not among them from there on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.analysis.lineage import expressions, output_columns
from etl.engine.analysis.volatile import volatile_in, volatile_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.engine.analysis.lineage import Expression
    from etl.engine.analysis.volatile import Clocks
    from etl.engine.session.analysed_plan import PlanNode

_LISTS = {"Project": "projectList", "Aggregate": "aggregateExpressions", "Window": "windowExpressions"}
_DECIDING = {
    "Aggregate": ("groupingExpressions",), "Window": ("partitionSpec", "orderSpec"), "Filter": ("condition",), "Join": ("condition",),
    "Sort": ("order",), "Generate": ("generator",), "SubqueryAlias": (), "View": (), "ResolvedHint": (), "UnresolvedHint": (),
    "Repartition": (), "RepartitionByExpression": ("partitionExpressions",), "Project": (), "CollectMetrics": ("metrics",),
    "GlobalLimit": (), "LocalLimit": (), "Offset": (),
}  # fmt: skip
"""Operators below which ignored columns are followed → what of them decides about rows."""


def volatile_but(plan: PlanNode, ignored: set[int], clocks: Clocks) -> Iterator[str]:
    """The SQL names of what differs from run to run anywhere in a plan, without what only the output's columns `ignored` are made of."""
    yield from _Volatile(clocks).below(plan, ignored)


class _Volatile:
    """Follows ignored columns from the output downwards."""

    def __init__(self, clocks: Clocks) -> None:
        self._clocks = clocks
        self._readings: dict[str, list[set[int]]] = {}
        """The number of a definition of WITH → for each of its readings the places of the columns that are free there."""

    def below(self, node: PlanNode, free: set[int]) -> Iterator[str]:
        """The SQL names of what differs from run to run in an operator and below it, but for what only its columns `free` are made of."""
        if node.name == "WithCTE":
            yield from self._with(node, free)
            return
        if node.name == "CTERelationRef":
            columns = output_columns(node)
            places = {place for place, (identity, _) in enumerate(columns) if identity in free}
            self._readings.setdefault(node.cte, []).append(places)
            return
        if node.name == "Union":
            places = {place for place, (identity, _) in enumerate(output_columns(node)) if identity in free}
            for child in node.children:
                yield from self.below(child, _at(child, places))
            return
        if not free or node.name not in _DECIDING:
            yield from volatile_in(node, self._clocks)
            kept: set[int] = set()
        else:
            made = expressions(node.fields.get(_LISTS.get(node.name, "")))
            deciding = [part for field in _DECIDING[node.name] for part in expressions(node.fields.get(field))]
            others = [*(column for column in made if column.identity not in free), *deciding]
            yield from (name for expression in others for name in volatile_of(expression, self._clocks))
            is_whole = node.name in ("Project", "Aggregate")  # the columns of the others pass what is below on
            read = _attributes(column for column in made if column.identity in free)
            kept = (read if is_whole else free | read) - _attributes(others)
        for child in node.children:
            yield from self.below(child, kept)
        for nested in node.subplans:
            yield from self.below(nested, set())

    def _with(self, node: PlanNode, free: set[int]) -> Iterator[str]:
        yield from self.below(node.body(), free)
        for definition in reversed(node.definitions()):  # one may read those before it
            readings = self._readings.get(definition.cte, [])
            places = set.intersection(*readings) if readings else set()
            yield from self.below(definition.children[0], _at(definition.children[0], places))


def _at(node: PlanNode, places: set[int]) -> set[int]:
    """The identities of an operator's columns at those places."""
    return {identity for place, (identity, _) in enumerate(output_columns(node)) if place in places}


def _attributes(read: Iterable[Expression]) -> set[int]:
    """The identities of the columns that expressions read."""
    return {part.identity for whole in read for part in whole.walk() if part.name == "AttributeReference"}
