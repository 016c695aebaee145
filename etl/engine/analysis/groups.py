"""Whether a transform keeps groups apart: whether the rows of one group can be computed from the input rows of that group alone.

Each changes input is marked with its groups' expressions, so that Spark itself says what they are in its plan. Every operator that
looks at several rows must then look at rows of one group only, and the output must say of each row which group it belongs to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.analysis.inputs import MARK, ChangesReads
from etl.engine.analysis.lineage import expressions, join_type, output_columns
from etl.engine.analysis.visitor import ColumnVisitor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyspark.sql import DataFrame

    from etl.config.spec import GroupSpec
    from etl.engine.analysis.lineage import Expression
    from etl.engine.session.analysed_plan import PlanNode

_PASSING = {
    "SubqueryAlias", "View", "Filter", "Sort", "RepartitionByExpression", "Repartition", "ResolvedHint", "UnresolvedHint",
}  # fmt: skip
_Columns = list[tuple[int, str]]  # identity, canonical text

_OPAQUE = {
    "MapInPandas": "mapInPandas, which may look at rows of several groups",
    "MapInArrow": "mapInArrow, which may look at rows of several groups",
    "FlatMapGroupsInPandas": "applyInPandas, into which the plan cannot look",
    "FlatMapGroupsInArrow": "applyInArrow, into which the plan cannot look",
    "FlatMapCoGroupsInPandas": "applyInPandas over two inputs, into which the plan cannot look",
    "FlatMapCoGroupsInArrow": "applyInArrow over two inputs, into which the plan cannot look",
}
"""Python that is given many rows at once."""

_PADDED = re.compile(r"^(\d*)[<>]\?")
"""Begins a value that is NULL where a join has no partner: the number of a full outer join, and the side."""


class Obstacle(Exception):
    """An operator that mixes groups, or may, in words. It says no to a plan and never leaves this module as an error."""


def mark_groups(name: str, frame: DataFrame, groups: Sequence[GroupSpec]) -> DataFrame:
    """The rows of the changes input `name`, under an observation by which a plan shows the input and what its groups are."""
    values = [F.max(F.expr(group.of(name))).alias(f"group_{i}") for i, group in enumerate(groups)]
    return frame.observe(MARK + name, F.count(F.lit(1)).alias("rows"), *values)


def obstacle(plan: PlanNode, groups: Sequence[GroupSpec], changes: frozenset[str]) -> str:
    """The obstacle to computing the plan group by group, in words; empty where there is none."""
    try:
        _GroupVisitor(plan, groups, changes).check_output(plan)
    except Obstacle as cause:
        return str(cause)
    return ""


def opaque(plan: PlanNode, changes: frozenset[str]) -> str:
    """The Python that is given many rows of a changes input at once, in words; empty where there is none."""
    reads = ChangesReads(plan, changes)
    return next((_OPAQUE[node.name] for node in plan.walk() if node.name in _OPAQUE and reads.below(node)), "")


def own_columns(plan: PlanNode, changes: str) -> tuple[str, ...]:
    """The output columns whose values follow from the row of the changes input alone, whatever the snapshots say.

    `plan` must be one that keeps its rows apart (`rows`), over that input marked with no groups.
    """
    visitor = _GroupVisitor(plan, (), frozenset({changes}))
    try:
        values = dict(visitor.look(plan))
    except Obstacle:
        return ()
    return tuple(name for identity, name in output_columns(plan) if _is_own(values.get(identity, "#"), f"{changes}."))


def _is_own(value: str, prefix: str) -> bool:
    """Whether a value's text names columns of that input and nothing else: no other's (`#`), no partner's (`?`), no subquery."""
    return prefix in value and not any(mark in value for mark in ("#", "?", "Subquery", "Exists"))


class _GroupVisitor(ColumnVisitor[str]):
    """Says of each column its canonical text (see `lineage`), and raises Obstacle at an operator that mixes groups."""

    def __init__(self, plan: PlanNode, groups: Sequence[GroupSpec], changes: frozenset[str]) -> None:
        super().__init__(plan, changes)
        self._groups = groups
        self._full_joins = 0  # full outer joins seen so far
        self._group_values: list[set[str]] = [set() for _ in groups]  # of each group its canonical text in each input
        self._operators: Mapping[str, Callable[[PlanNode], _Columns]] = {
            **dict.fromkeys(_PASSING, self._passing),
            "Join": self._join,
            "Union": self._union,
            "LateralJoin": self._lateral_join,
            "Project": self._project,
            "Generate": self._generate,
            "Aggregate": self._aggregate,
            "Window": self._window,
            "Distinct": self._distinct,
            "Deduplicate": self._deduplicate,
        }
        for node in plan.walk():
            if self.reads.is_input(node):
                self._learn_groups(node)

    def _learn_groups(self, node: PlanNode) -> None:
        """Take from the marks of a changes input what its groups are."""
        columns = dict(self.of_input(node))
        metrics = {metric.fields["name"]: metric for metric in expressions(node.fields["metrics"])}
        for i, values in enumerate(self._group_values):
            alias = metrics[f"group_{i}"]
            values.add(alias.children[0].children[0].children[0].canonical(columns))  # below the aggregate and its max

    def check_output(self, plan: PlanNode) -> None:
        """Raise Obstacle where an operator mixes groups, or the output's columns do not name the group of each row."""
        if not self.reads.below(plan):
            raise Obstacle("no read of its changes inputs")
        columns = dict(self.look(plan))
        names = output_columns(plan)
        for group, values in zip(self._groups, self._group_values, strict=True):
            identities = [identity for identity, name in names if name.lower() == group.column.lower()]
            if not identities:
                raise Obstacle(f"no column '{group.column}' in its output: {', '.join(name for _, name in names)}")
            if columns.get(identities[0]) not in values:
                raise Obstacle(f"a column '{group.column}' that is not what the group '{group.column}' is of each row")

    def of_input(self, node: PlanNode) -> _Columns:
        name = str(node.fields["name"]).removeprefix(MARK)
        return [(identity, f"{name}.{column.lower()}") for identity, column in output_columns(node.children[0])]

    def of_constant(self, node: PlanNode) -> _Columns:
        return [(identity, f"#{identity}") for identity, _ in output_columns(node)]

    def of_reference(self, node: PlanNode, defined: _Columns) -> _Columns:
        own = expressions(node.fields.get("output"))
        self._full_joins += 1  # two readings of one full outer join bring different rows
        numbered = rf"\g<1>{self._full_joins:04}\g<2>"
        return [
            (column.identity, re.sub(r"^(\d+)([<>])", numbered, value))
            for column, (_, value) in zip(own, defined, strict=True)
        ]

    def of_operator(self, node: PlanNode) -> _Columns:
        if any(map(self.reads.below, node.subplans)):
            raise Obstacle("a subquery over a changes input, which sees rows of other groups")
        return self._operators.get(node.name, self._mixing)(node)

    def _mixing(self, node: PlanNode) -> _Columns:
        if len(node.children) != 1:
            raise Obstacle(f"the operator {node.name}")
        self.look(node.children[0])  # what is in the way further down is named first
        raise Obstacle(_words(node.name))

    def _passing(self, node: PlanNode) -> _Columns:
        return self.look(node.children[0])

    def _lateral_join(self, node: PlanNode) -> _Columns:
        left = self.look(node.children[0])  # its right side is made for each row of its left
        return left + [(identity, f"#{identity}") for identity, _ in output_columns(node)[len(left) :]]

    def _project(self, node: PlanNode) -> _Columns:
        return self._computed(expressions(node.fields["projectList"]), self.look(node.children[0]))

    def _generate(self, node: PlanNode) -> _Columns:
        made = expressions(node.fields["generatorOutput"])
        return self.look(node.children[0]) + [(column.identity, f"#{column.identity}") for column in made]

    def _aggregate(self, node: PlanNode) -> _Columns:
        below = self.look(node.children[0])
        self._must_be_keys("an aggregate", expressions(node.fields["groupingExpressions"]), below)
        return self._computed(expressions(node.fields["aggregateExpressions"]), below)

    def _window(self, node: PlanNode) -> _Columns:
        below = self.look(node.children[0])
        self._must_be_keys("a window", expressions(node.fields["partitionSpec"]), below)
        made = expressions(node.fields["windowExpressions"])
        return below + [(column.identity, f"#{column.identity}") for column in made]

    def _distinct(self, node: PlanNode) -> _Columns:
        below = self.look(node.children[0])
        self._must_have_groups("DISTINCT", [value for _, value in below])
        return below

    def _deduplicate(self, node: PlanNode) -> _Columns:
        below = self.look(node.children[0])
        keys = expressions(node.fields["keys"])
        if {key.identity for key in keys} != {identity for identity, _ in below}:
            raise Obstacle("dropDuplicates over some columns, which keeps whichever row comes first")
        self._must_be_keys("dropDuplicates", keys, below)
        return below

    def _computed(self, columns: Sequence[Expression], below: _Columns) -> _Columns:
        values = dict(below)
        return [(column.identity, self._value(column, values)) for column in columns]

    def _value(self, expression: Expression, values: Mapping[int, str]) -> str:
        """The canonical text of a projected expression; `coalesce` of a group's two sides of an outer join is the group again."""
        whole = expression.children[0] if expression.name == "Alias" else expression
        if whole.name == "Coalesce":
            parts = [child.canonical(values) for child in whole.children]
            plain = [_PADDED.sub("", part) for part in parts]
            for group_values in self._group_values:
                if set(plain) <= group_values and _never_padded(parts):
                    return plain[0]
        return expression.canonical(values)

    def _must_be_keys(self, what: str, keys: Sequence[Expression], below: _Columns) -> None:
        self._must_have_groups(what, [value for _, value in self._computed(keys, below)])

    def _must_have_groups(self, what: str, values: Sequence[str]) -> None:
        for group, group_values in zip(self._groups, self._group_values, strict=True):
            if not group_values & set(values):
                raise Obstacle(f"{what} over rows of several groups: '{group.column}' is none of its keys")

    def _union(self, node: PlanNode) -> _Columns:
        parts = [self.look(child) for child in node.children]
        columns = []
        for branches in zip(*parts, strict=True):
            values = {value for _, value in branches}
            is_same = len(values) == 1 or any(values <= group_values for group_values in self._group_values)
            identity, value = branches[0]
            columns.append((identity, value if is_same else f"#{identity}"))
        return columns

    def _join(self, node: PlanNode) -> _Columns:
        kept = join_type(node)
        left, right = (self.look(child) for child in node.children)
        changing = [self.reads.below(child) for child in node.children]
        if all(changing):
            self._must_equate(node, dict(left), dict(right))
        elif (changing[0] and kept not in ("Inner", "Cross", "LeftOuter", "LeftSemi", "LeftAnti")) or (
            changing[1] and kept not in ("Inner", "Cross", "RightOuter")
        ):
            raise Obstacle(f"a join ({kept}) that keeps rows of a snapshot")
        if kept in ("LeftSemi", "LeftAnti"):
            return left
        if kept == "FullOuter":
            self._full_joins += 1
        number = self._full_joins if kept == "FullOuter" else ""
        if kept in ("RightOuter", "FullOuter"):
            left = [(identity, f"{number}<?{value}") for identity, value in left]
        if kept in ("LeftOuter", "FullOuter"):
            right = [(identity, f"{number}>?{value}") for identity, value in right]
        return left + right

    def _must_equate(self, node: PlanNode, left: Mapping[int, str], right: Mapping[int, str]) -> None:
        """Raise Obstacle where rows of two changes inputs may meet across groups."""
        equal: list[tuple[str, str]] = []
        conjuncts = expressions(node.fields.get("condition"))
        while conjuncts:
            conjunct = conjuncts.pop()
            if conjunct.name == "And":
                conjuncts += conjunct.children
            elif conjunct.name in ("EqualTo", "EqualNullSafe"):
                one, other = conjunct.children
                equal += [(one.canonical(left), other.canonical(right)), (other.canonical(left), one.canonical(right))]
        for group, values in zip(self._groups, self._group_values, strict=True):
            if not any(one in values and other in values for one, other in equal):
                raise Obstacle(f"a join of changes inputs that does not equate their '{group.column}'")


def _never_padded(parts: Sequence[str]) -> bool:
    """Whether one of the values is always that of a row: no join fills it with NULL, or they are both sides of one full outer join."""
    marks = [_PADDED.match(part) for part in parts]
    sides = {mark.group() for mark in marks if mark is not None and mark.group(1)}
    return None in marks or any(side.replace("<", ">") in sides for side in sides if "<" in side)


def _words(name: str) -> str:
    words = {
        "GlobalLimit": "a limit over rows of several groups",
        "LocalLimit": "a limit over rows of several groups",
        "Tail": "a limit over rows of several groups",
        "Offset": "OFFSET over rows of several groups",
        "Sample": "a sample, which differs from run to run",
        "Expand": "grouping sets, whose totals belong to several groups",
    }
    return words.get(name) or _OPAQUE.get(name, f"the operator {name}")
