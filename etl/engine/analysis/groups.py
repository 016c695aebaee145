"""Whether a transform keeps groups apart: whether the rows of one group can be computed from the input rows of that group alone.

Each changes input is marked with its groups' expressions, so that Spark itself says what they are in its plan. Every operator that
looks at several rows must then look at rows of one group only, and the output must say of each row which group it belongs to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.analysis.inputs import MARK, Moving
from etl.engine.analysis.lineage import expressions, output_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame

    from etl.config.spec import GroupSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_PASSING = {
    "SubqueryAlias", "View", "Filter", "Sort", "RepartitionByExpression", "Repartition", "ResolvedHint", "UnresolvedHint",
}  # fmt: skip
_Columns = list[tuple[int, str]]  # an operator's output: identity → what it is


_OPAQUE = {
    "MapInPandas": "mapInPandas, which may look at rows of several groups",
    "MapInArrow": "mapInArrow, which may look at rows of several groups",
    "FlatMapGroupsInPandas": "applyInPandas, into which the plan cannot look",
    "FlatMapGroupsInArrow": "applyInArrow, into which the plan cannot look",
    "FlatMapCoGroupsInPandas": "applyInPandas over two inputs, into which the plan cannot look",
    "FlatMapCoGroupsInArrow": "applyInArrow over two inputs, into which the plan cannot look",
}
"""Python that is given many rows at once."""

_PADDED = re.compile(
    r"^(\d*)[<>]\?"
)  # or NULL, where a join found no partner: the number of a full outer join, and the side


class Obstacle(Exception):  # not an error: what stands in the way, in words
    """An operator that mixes groups, or may."""


def marked(name: str, frame: DataFrame, groups: Sequence[GroupSpec]) -> DataFrame:
    """A changes input's frame that can be told in the plan, with what its groups are."""
    values = [F.max(F.expr(group.of(name))).alias(f"group_{i}") for i, group in enumerate(groups)]
    return frame.observe(MARK + name, F.count(F.lit(1)).alias("rows"), *values)


def obstacle(plan: PlanNode, groups: Sequence[GroupSpec], changes: frozenset[str]) -> str:
    """What keeps the plan from being computed group by group, in words; empty where nothing does."""
    try:
        _Groups(plan, groups, changes).look_at_output(plan)
    except Obstacle as found:
        return str(found)
    return ""


def opaque(plan: PlanNode, changes: frozenset[str]) -> str:
    """The Python that is given many rows of a changes input at once, in words; empty where there is none."""
    moving = Moving(plan, changes)
    return next((_OPAQUE[node.name] for node in plan.walk() if node.name in _OPAQUE and moving.reads(node)), "")


def own_columns(plan: PlanNode, changes: str) -> tuple[str, ...]:
    """The output columns whose values follow from the row of the changes input alone, whatever the snapshots say.

    `plan` must be one that keeps its rows apart (`rows`), over that input marked with no groups.
    """
    groups = _Groups(plan, (), frozenset({changes}))
    try:
        known = dict(groups.look(plan))
    except Obstacle:
        return ()
    return tuple(name for identity, name in output_columns(plan) if _own(known.get(identity, "#"), f"{changes}."))


def _own(value: str, prefix: str) -> bool:
    """Whether a value's text names columns of that input and nothing else: no other's (`#`), no partner's (`?`), no subquery."""
    return prefix in value and not any(mark in value for mark in ("#", "?", "Subquery", "Exists"))


class _Groups:
    def __init__(self, plan: PlanNode, groups: Sequence[GroupSpec], changes: frozenset[str]) -> None:
        self._groups = groups
        self._moving = Moving(plan, changes)
        self._defined: dict[str, _Columns] = {}
        self._full = 0  # full outer joins seen so far
        self._carriers: list[set[str]] = [set() for _ in groups]  # what a group's value is, of each input
        for node in plan.walk():
            if self._moving.is_input(node):
                known = dict(self._leaf(node))
                for i, carriers in enumerate(self._carriers):
                    metric = next(
                        item for item in expressions(node.fields["metrics"]) if item.fields["name"] == f"group_{i}"
                    )
                    carriers.add(metric.children[0].children[0].children[0].canonical(known))

    def look_at_output(self, plan: PlanNode) -> None:
        """Judge the whole plan, then whether its columns name the group of each row."""
        if not self._moving.reads(plan):
            raise Obstacle("no read of its changes inputs")
        columns = dict(self.look(plan))
        names = output_columns(plan)
        for i, group in enumerate(self._groups):
            found = [identity for identity, name in names if name.lower() == group.column.lower()]
            if not found:
                raise Obstacle(f"no column '{group.column}' in its output: {', '.join(name for _, name in names)}")
            if columns.get(found[0]) not in self._carriers[i]:
                raise Obstacle(f"a column '{group.column}' that is not what the group '{group.column}' is of each row")

    def _leaf(self, node: PlanNode) -> _Columns:
        name = str(node.fields["name"]).removeprefix(MARK)
        return [(identity, f"{name}.{column.lower()}") for identity, column in output_columns(node.children[0])]

    def look(self, node: PlanNode) -> _Columns:
        """The operator's output columns; Obstacle where it mixes groups."""
        if self._moving.is_input(node):
            return self._leaf(node)
        if node.name == "WithCTE":
            return self._with(node)
        if node.name == "CTERelationRef":
            return self._reference(node)
        if not self._moving.reads(node):
            return [(identity, f"#{identity}") for identity, _ in output_columns(node)]
        if any(self._moving.reads(nested) for nested in node.subplans):
            raise Obstacle("a subquery over a changes input, which sees rows of other groups")
        if node.name == "Join":
            return self._join(node)
        if node.name == "Union":
            return self._union([self.look(child) for child in node.children])
        if len(node.children) != 1:
            raise Obstacle(f"the operator {node.name}")
        below = self.look(node.children[0])
        known = dict(below)
        if node.name in _PASSING:
            return below
        if node.name == "LateralJoin":  # its right side is made for each row of its left
            return below + [(identity, f"#{identity}") for identity, _ in output_columns(node)[len(below) :]]
        if node.name == "Project":
            return [(item.identity, self._value(item, known)) for item in expressions(node.fields["projectList"])]
        if node.name == "Generate":
            return below + [
                (item.identity, f"#{item.identity}") for item in expressions(node.fields["generatorOutput"])
            ]
        if node.name == "Aggregate":
            keys = expressions(node.fields["groupingExpressions"])
            self._must_hold("an aggregate", keys, known)
            return [
                (item.identity, self._value(item, known)) for item in expressions(node.fields["aggregateExpressions"])
            ]
        if node.name == "Window":
            self._must_hold("a window", expressions(node.fields["partitionSpec"]), known)
            made = expressions(node.fields["windowExpressions"])
            return below + [(item.identity, f"#{item.identity}") for item in made]
        if node.name == "Distinct":
            self._must_carry("DISTINCT", [value for _, value in below])
            return below
        if node.name == "Deduplicate":
            kept = expressions(node.fields["keys"])
            if {item.identity for item in kept} != {identity for identity, _ in below}:
                raise Obstacle("dropDuplicates over some columns, which keeps whichever row comes first")
            self._must_hold("dropDuplicates", kept, known)
            return below
        raise Obstacle(_words(node.name))

    def _value(self, item: Expression, known: Mapping[int, str]) -> str:
        """What a projected expression is; `coalesce` of a group's two sides of an outer join is the group again."""
        whole = item.children[0] if item.name == "Alias" else item
        if whole.name == "Coalesce":
            parts = [child.canonical(known) for child in whole.children]
            plain = [_PADDED.sub("", part) for part in parts]
            for carriers in self._carriers:
                if set(plain) <= carriers and _never_padded(parts):
                    return plain[0]
        return item.canonical(known)

    def _must_hold(self, what: str, keys: Sequence[Expression], known: Mapping[int, str]) -> None:
        self._must_carry(what, [self._value(item, known) for item in keys])

    def _must_carry(self, what: str, values: Sequence[str]) -> None:
        for group, carriers in zip(self._groups, self._carriers, strict=True):
            if not carriers & set(values):
                raise Obstacle(f"{what} over rows of several groups: '{group.column}' is none of its keys")

    def _with(self, node: PlanNode) -> _Columns:
        for definition in (item for item in (*node.children, *node.subplans) if item.name == "CTERelationDef"):
            self._defined[str(definition.fields.get("id"))] = self.look(definition.children[0])
        return self.look(next(item for item in (*node.children, *node.subplans) if item.name != "CTERelationDef"))

    def _reference(self, node: PlanNode) -> _Columns:
        defined = self._defined.get(str(node.fields.get("cteId")), [])
        own = expressions(node.fields.get("output"))
        self._full += 1  # two readings of one full outer join bring different rows
        again = rf"\g<1>{self._full:04}\g<2>"
        return [
            (item.identity, re.sub(r"^(\d+)([<>])", again, value))
            for item, (_, value) in zip(own, defined, strict=True)
        ]

    def _union(self, parts: list[_Columns]) -> _Columns:
        found = []
        for column in zip(*parts, strict=True):
            values = {value for _, value in column}
            same = any(values <= carriers for carriers in self._carriers) or len(values) == 1
            identity, value = column[0]
            found.append((identity, value if same else f"#{identity}"))
        return found

    def _join(self, node: PlanNode) -> _Columns:
        kept = str(node.fields.get("joinType", {}).get("object", node.fields.get("joinType"))).rsplit(".", 1)[-1]
        kept = kept.removesuffix("$")
        left, right = (self.look(child) for child in node.children)
        moving = [self._moving.reads(child) for child in node.children]
        if all(moving):
            self._must_equate(node, dict(left), dict(right))
        elif (moving[0] and kept not in ("Inner", "Cross", "LeftOuter", "LeftSemi", "LeftAnti")) or (
            moving[1] and kept not in ("Inner", "Cross", "RightOuter")
        ):
            raise Obstacle(f"a join ({kept}) that keeps rows of a snapshot")
        if kept in ("LeftSemi", "LeftAnti"):
            return left
        if kept == "FullOuter":
            self._full += 1
        number = self._full if kept == "FullOuter" else ""
        if kept in ("RightOuter", "FullOuter"):
            left = [(identity, f"{number}<?{value}") for identity, value in left]
        if kept in ("LeftOuter", "FullOuter"):
            right = [(identity, f"{number}>?{value}") for identity, value in right]
        return left + right

    def _must_equate(self, node: PlanNode, left: Mapping[int, str], right: Mapping[int, str]) -> None:
        """Rows of two changes inputs may only meet within a group."""
        equal: list[tuple[str, str]] = []
        waiting = expressions(node.fields.get("condition"))
        while waiting:
            item = waiting.pop()
            if item.name == "And":
                waiting += item.children
            elif item.name in ("EqualTo", "EqualNullSafe"):
                one, other = item.children
                equal += [(one.canonical(left), other.canonical(right)), (other.canonical(left), one.canonical(right))]
        for group, carriers in zip(self._groups, self._carriers, strict=True):
            if not any(one in carriers and other in carriers for one, other in equal):
                raise Obstacle(f"a join of changes inputs that does not equate their '{group.column}'")


def _never_padded(parts: Sequence[str]) -> bool:
    """Whether one of the values is always that of a row: no join fills it with NULL, or they are both sides of one full outer join."""
    marks = [_PADDED.match(part) for part in parts]
    sides = {mark.group() for mark in marks if mark is not None and mark.group(1)}
    return None in marks or any(side.replace("<", ">") in sides for side in sides if "<" in side)


def _words(name: str) -> str:
    known = {
        "GlobalLimit": "a limit over rows of several groups",
        "LocalLimit": "a limit over rows of several groups",
        "Tail": "a limit over rows of several groups",
        "Offset": "OFFSET over rows of several groups",
        "Sample": "a sample, which differs from run to run",
        "Expand": "grouping sets, whose totals belong to several groups",
    }
    return known.get(name) or _OPAQUE.get(name, f"the operator {name}")
