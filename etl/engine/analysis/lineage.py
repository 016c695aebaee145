"""The lineage of each column of each operator in a plan: what it is of an input's row.

Every value has a canonical text: `flights.origin`, `TruncTimestamp(HOUR,flights.time_hour)`. Values that an operator makes out of
several rows have one of their own, equal to nothing else. `?` before a text: or NULL, where an outer join found no partner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.engine.session.analysed_plan import plan_in, simple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.engine.session.analysed_plan import PlanNode

_SILENT = {
    "class", "num-children", "exprId", "qualifier", "metadata", "nullable", "name", "resultId", "nonInheritableMetadataKeys",
    "explicitMetadata", "prettyNames", "timeZoneId",
}  # fmt: skip
_KNOWN_BY_NAME = ("NamedLambdaVariable", "PythonUDF")
"""Expressions that nothing but their name tells from others, of what is the same each time."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression of a plan: its class's simple name, its own fields, its children."""

    name: str
    fields: Mapping[str, Any]
    children: tuple[Expression, ...]

    @property
    def identity(self) -> int:
        """The number by which other operators refer to an attribute or an alias; -1 where it has none."""
        return int(self.fields.get("exprId", {}).get("id", -1))

    def canonical(self, values: Mapping[int, str]) -> str:
        """The canonical text of the value, in terms of `values`, those of the attributes below."""
        if self.name == "Alias":
            return self.children[0].canonical(values)
        if self.name == "AttributeReference":
            return values.get(self.identity, f"#{self.identity}")
        silent = _SILENT - {"name"} if self.name in _KNOWN_BY_NAME else _SILENT
        own = [str(value) for key, value in sorted(self.fields.items()) if key not in silent and _plain(value)]
        return f"{self.name}({','.join([*own, *(child.canonical(values) for child in self.children)])})"

    def outcome(self) -> list[int]:
        """The identities of the columns that a subquery's query gives; empty for any other expression."""
        plan = plan_in(self.fields)
        return [identity for identity, _ in output_columns(plan)] if plan is not None else []

    def walk(self) -> Iterator[Expression]:
        """This expression and everything below it."""
        yield self
        for child in self.children:
            yield from child.walk()


class Derivations:
    """The derivation of each column anywhere in a plan: by which expression in which operator, or as the same as other columns."""

    def __init__(self, plan: PlanNode) -> None:
        self._of: dict[int, list[tuple[str, Expression]]] = {}
        self._same: dict[int, list[int]] = {}
        defined = {
            definition.cte: output_columns(definition.children[0])
            for node in plan.walk()
            for definition in node.definitions()
        }
        for node in plan.walk():
            for field in ("projectList", "aggregateExpressions", "windowExpressions"):
                for expression in expressions(node.fields.get(field)):
                    if expression.name != "AttributeReference":
                        self._of.setdefault(expression.identity, []).append((node.name, expression))
            self._add_by_place(node, defined)

    def of(self, identity: int) -> list[tuple[str, Expression]]:
        """The operator and the expression that make a column, once for each branch of a union; none where an input gives it."""
        made, waiting, seen = [], [identity], set()
        while waiting:
            column = waiting.pop()
            if column not in seen:
                seen.add(column)
                made += self._of.get(column, [])
                waiting += self._same.get(column, [])
        return made

    def _add_by_place(self, node: PlanNode, defined: Mapping[str, list[tuple[int, str]]]) -> None:
        """Add the columns that are those of other operators in the same places; `defined`: those of WITH's definitions."""
        if node.name == "Union":
            own = output_columns(node)
            for child in node.children:
                for (identity, _), (other, _) in zip(own, output_columns(child), strict=False):
                    self._same.setdefault(identity, []).append(other)
        elif node.name == "CTERelationRef":
            for (identity, _), (other, _) in zip(output_columns(node), defined.get(node.cte, []), strict=False):
                self._same.setdefault(identity, []).append(other)
        elif node.name == "Expand":
            for row in node.fields["projections"]:
                for (identity, _), expression in zip(output_columns(node), expressions(row), strict=False):
                    self._of.setdefault(identity, []).append((node.name, expression))
        elif node.name == "Generate":
            generators = [(node.name, generator) for generator in expressions(node.fields.get("generator"))]
            for column in expressions(node.fields.get("generatorOutput")):
                self._of[column.identity] = [*generators]


def expressions(value: Any) -> list[Expression]:
    """The expressions in a field of an operator: one (a list of nodes in pre-order), or a list of such."""
    if not isinstance(value, list) or not value:
        return []
    if isinstance(value[0], dict):
        return [_build(value, 0)[0]] if "num-children" in value[0] else []
    return [expression for item in value for expression in expressions(item)]


def output_columns(node: PlanNode) -> list[tuple[int, str]]:
    """The identity and the name of each column that an operator puts out."""
    if node.name == "WithCTE":
        return output_columns(node.body())
    for field in ("projectList", "aggregateExpressions", "output"):
        if field in node.fields:
            return _columns(node, field)
    columns = output_columns(node.children[0]) if node.children else []
    if node.name == "Join" and not re.search("Semi|Anti", str(node.fields.get("joinType"))):
        columns = columns + output_columns(node.children[1])
    if node.name == "LateralJoin":
        columns = columns + output_columns(node.subplans[0])  # its right side is a subquery
    return [*columns, *_columns(node, "windowExpressions"), *_columns(node, "generatorOutput")]


def _columns(node: PlanNode, field: str) -> list[tuple[int, str]]:
    return [(column.identity, str(column.fields.get("name"))) for column in expressions(node.fields.get(field))]


def join_type(join: PlanNode) -> str:
    """The name of a join's type in Spark: `Inner`, `LeftOuter`, `LeftSemi` and so on."""
    kind = join.fields.get("joinType", {})
    return simple(str(kind.get("object", kind)))


def _build(nodes: list[dict[str, Any]], index: int) -> tuple[Expression, int]:
    own, children, following = nodes[index], [], index + 1
    for _ in range(int(own["num-children"])):
        child, following = _build(nodes, following)
        children.append(child)
    return Expression(simple(str(own["class"])), own, tuple(children)), following


def _plain(value: Any) -> bool:
    """Whether a field is a setting of its expression, or the place of a child, which is the same in an equal expression."""
    return value is None or isinstance(value, str | int | float | dict)
