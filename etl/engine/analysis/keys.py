"""Whether the keys of a state flow's merge tell its results apart: whether they name everything that its transform groups by.

Where they do not, results with the same keys meet. A batch has both at once and fails; in a stream the one that comes in a later epoch
takes the place of the other. A plan cannot see that a column left out follows from those that are named, so this is said, not refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.analysis.inputs import ChangesReads
from etl.engine.analysis.lineage import expressions, output_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.spec import FlowSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_PASSING = {
    "SubqueryAlias", "View", "Filter", "CollectMetrics", "Repartition", "RepartitionByExpression", "ResolvedHint",
}  # fmt: skip


def unnamed_groups(plan: PlanNode, flow: FlowSpec, changes: frozenset[str]) -> tuple[str, ...]:
    """A warning of groups that `sink.keys` do not name; nothing where they are named, or the plan does not group at its end."""
    if flow.state is None or not flow.sink.keys:
        return ()
    keys = {name.lower() for name in flow.sink.keys}
    key_columns = {identity for identity, name in output_columns(plan) if name.lower() in keys}
    unnamed = _unnamed(plan, key_columns, ChangesReads(plan, changes), {})
    if not unnamed:
        return ()
    names = ", ".join(f"'{name}'" for name in unnamed)
    warning = (
        f"its transform groups by {names}, which sink.keys do not name. Two results can have the same keys: a batch fails then, and"
        " a stream keeps the later one. Add them to sink.keys, unless the keys determine them"
    )
    return (warning,)


def _unnamed(node: PlanNode, keys: set[int], reads: ChangesReads, defined: dict[str, PlanNode]) -> tuple[str, ...]:
    """The names of the groups of which none of the columns `keys` is made; `defined`: the queries of WITH by their numbers."""
    if node.name == "WithCTE":
        own = {definition.cte: definition.children[0] for definition in node.definitions()}
        return _unnamed(node.body(), keys, reads, {**defined, **own})
    if node.name == "CTERelationRef":
        query = defined.get(node.cte)
        if query is None:
            return ()
        pairs = zip(expressions(node.fields.get("output")), output_columns(query), strict=True)
        return _unnamed(query, {identity for column, (identity, _) in pairs if column.identity in keys}, reads, defined)
    if node.name == "Project":
        return _unnamed(node.children[0], _read_by(node, "projectList", keys), reads, defined)
    if node.name == "Aggregate":
        named = _read_by(node, "aggregateExpressions", keys)
        groups = [(group, _attributes([group])) for group in expressions(node.fields["groupingExpressions"])]
        return tuple(dict.fromkeys(_name(group) for group, read in groups if not read <= named))
    if node.name == "Distinct":
        return tuple(name for identity, name in output_columns(node) if identity not in keys)
    changing = [child for child in node.children if reads.below(child)]
    if (node.name in _PASSING or node.name == "Join") and len(changing) == 1:
        return _unnamed(changing[0], keys, reads, defined)
    return ()


def _read_by(node: PlanNode, field: str, keys: set[int]) -> set[int]:
    """The columns that those of an operator's columns `keys` are made of."""
    return _attributes(column for column in expressions(node.fields[field]) if column.identity in keys)


def _attributes(read: Iterable[Expression]) -> set[int]:
    return {part.identity for whole in read for part in whole.walk() if part.name == "AttributeReference"}


def _name(group: Expression) -> str:
    """A group as a person knows it: its column's name, or those of the columns that it is made of."""
    return ", ".join(str(part.fields.get("name")) for part in group.walk() if part.name == "AttributeReference")
