"""Whether the keys of a state flow's merge tell its results apart: whether they name everything that its transform groups by.

Where they do not, results with the same keys meet. A batch has both at once and fails; in a stream the one that comes in a later epoch
takes the place of the other. A plan cannot see that a column left out follows from those that are named, so this is said, not refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.analysis.inputs import Moving
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
    """What to say of groups that `sink.keys` do not name; nothing where they are named, or the plan does not group at its end."""
    if flow.state is None or not flow.sink.keys:
        return ()
    keys = {name.lower() for name in flow.sink.keys}
    wanted = {identity for identity, name in output_columns(plan) if name.lower() in keys}
    missing = _missing(plan, wanted, Moving(plan, changes), {})
    if not missing:
        return ()
    names = ", ".join(f"'{name}'" for name in missing)
    said = (
        f"its transform groups by {names}, which sink.keys do not name: of two results with the same keys a batch, which has both"
        " at once, fails, and a stream keeps the one that comes later; name them, or be sure that they follow from the keys"
    )
    return (said,)


def _missing(node: PlanNode, wanted: set[int], moving: Moving, defined: dict[str, PlanNode]) -> tuple[str, ...]:
    """The names of the groups from which none of the columns `wanted` is made."""
    if node.name == "WithCTE":
        parts = (*node.children, *node.subplans)
        known = {str(item.fields.get("id")): item.children[0] for item in parts if item.name == "CTERelationDef"}
        body = next(item for item in parts if item.name != "CTERelationDef")
        return _missing(body, wanted, moving, {**defined, **known})
    if node.name == "CTERelationRef":
        below = defined.get(str(node.fields.get("cteId")))
        if below is None:
            return ()
        own, its = expressions(node.fields.get("output")), output_columns(below)
        return _missing(
            below,
            {identity for item, (identity, _) in zip(own, its, strict=True) if item.identity in wanted},
            moving,
            defined,
        )
    if node.name == "Project":
        return _missing(node.children[0], _read(node, "projectList", wanted), moving, defined)
    if node.name == "Aggregate":
        named = _read(node, "aggregateExpressions", wanted)
        groups = [(item, _attributes([item])) for item in expressions(node.fields["groupingExpressions"])]
        return tuple(dict.fromkeys(_name(item) for item, read in groups if not read <= named))
    if node.name == "Distinct":
        return tuple(name for identity, name in output_columns(node) if identity not in wanted)
    below_it = [child for child in node.children if moving.reads(child)]
    if (node.name in _PASSING or node.name == "Join") and len(below_it) == 1:
        return _missing(below_it[0], wanted, moving, defined)
    return ()


def _read(node: PlanNode, field: str, wanted: set[int]) -> set[int]:
    """The columns below that those of an operator's columns are made of which are wanted."""
    return _attributes(item for item in expressions(node.fields[field]) if item.identity in wanted)


def _attributes(found: Iterable[Expression]) -> set[int]:
    return {part.identity for item in found for part in item.walk() if part.name == "AttributeReference"}


def _name(item: Expression) -> str:
    """A group as a person knows it: its column's name, or those of the columns that it is made of."""
    return ", ".join(str(part.fields.get("name")) for part in item.walk() if part.name == "AttributeReference")
