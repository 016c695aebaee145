"""Spark's analysed plan judged: which kind of processing keeps both modes equal, and what no kind can.

Each input is given as an empty frame under a marker (an observation named after it), so that its place in the plan is
known whatever the transform does with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Diagnostic
from etl.engine.analysis import deciding, determinism, groups, keys, open_results
from etl.engine.analysis.inputs import MARK, Moving
from etl.engine.session.analysed_plan import PlanNode, analysed_plan
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pyspark.sql import DataFrame

    from etl.config.spec import FlowSpec
    from etl.planning.kinds import Kind

_ROWWISE = {
    "Project",
    "Filter",
    "SubqueryAlias",
    "Generate",
    "CollectMetrics",
    "View",
    "ResolvedHint",
    "UnresolvedHint",
    "Repartition",
    "RepartitionByExpression",
    "RebalancePartitions",
    "WithCTE",
    "CTERelationDef",
}
_CONSTANT = {
    "LocalRelation", "OneRowRelation", "Range", "LogicalRDD", "CTERelationRef", "UnionLoopRef", "EmptyRelation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Classified:
    """The kind that the plan allows, and the operator that decided it."""

    kind: Kind
    operator: str
    warnings: tuple[str, ...] = ()  # what works, and should be looked at
    opaque: str = ""  # groups: the Python that may mix them, for all that the plan shows


def marked(name: str, frame: DataFrame) -> DataFrame:
    """An input's frame that can be told in the plan."""
    return frame.observe(MARK + name, F.count(F.lit(1)).alias("rows"))


def check(
    flow: FlowSpec,
    output: DataFrame,
    changes: frozenset[str],
    files: Mapping[str, str],
    since: datetime | None = None,
) -> Classified:
    """The plan's kind; ConfigurationError where it reads what it must not, changes from run to run, or is no `rows`.

    `changes`: the inputs read as changes. `files`: where each undeclared kind of table is best declared, for the hint.
    `since`: when the transform was called, which may have looked at the clock.
    """
    plan = analysed_plan(output)
    found = [
        *_undeclared(plan, flow, files),
        *determinism.volatile(plan, flow, output, since),
        *determinism.ordered(plan, flow),
    ]
    if found:
        raise ConfigurationError(found)
    said = deciding.deciding(plan, flow) + determinism.arbitrary_choices(plan, flow)
    said += keys.unnamed_groups(plan, flow, changes)
    return replace(_judged(plan, flow, changes), warnings=said)


def row_by_row(frame: DataFrame, changes: frozenset[str]) -> str:
    """What keeps a frame from being computed row by row of one changes input, in words; empty where nothing does."""
    return _Rows(analysed_plan(frame), changes).obstacle()


def _judged(plan: PlanNode, flow: FlowSpec, changes: frozenset[str]) -> Classified:
    if flow.incremental == "groups":
        mixing = "" if flow.trusted else groups.obstacle(plan, flow.groups, changes)
        if mixing:
            message = f"flow '{flow.name}' says incremental: groups, but its plan has {mixing}"
            hint = (
                "partition it by the groups, or use incremental: full; trusted: true if you know that groups stay apart"
            )
            raise ConfigurationError([Diagnostic("E263", message, flow.at, hint)])
        return Classified("groups", "declared", opaque=groups.opaque(plan, changes))
    if flow.incremental == "state":
        found = open_results.unsettled(plan, flow, changes)
        if found is not None:
            raise ConfigurationError([found])
        return Classified("state", "declared")
    operator = _Rows(plan, changes).obstacle()
    if flow.incremental == "rows" and operator:
        message = f"flow '{flow.name}' says incremental: rows, but its plan has {operator}: a micro-batch alone cannot tell the answer"
        raise ConfigurationError([Diagnostic("E260", message, flow.at, "use incremental: full, or auto")])
    if flow.incremental == "full":
        return Classified("full", "declared")
    return Classified("full", operator) if operator else Classified("rows", "no operator that joins rows together")


class _Rows:
    """Looks for what keeps a plan from being computed row by row."""

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self._plan, self._changes, self._moving = plan, changes, Moving(plan, changes)

    def obstacle(self) -> str:
        """The first operator in the way, in words; empty where there is none."""
        if len(self._changes) > 1:
            return "more than one changes input"
        return self._look(self._plan) if self._moving.reads(self._plan) else "no read of its changes input"

    def _look(self, node: PlanNode) -> str:
        for nested in node.subplans:
            if node.name != "WithCTE" and self._moving.reads(nested):
                return "a subquery over its changes input"
        below = [
            child
            for child in (*node.children, *(node.subplans if node.name == "WithCTE" else ()))
            if self._moving.reads(child)
        ]
        if not below or self._moving.is_input(node):
            return ""
        if node.name == "Join":
            obstacle = self._join(node, below)
            if obstacle:
                return obstacle
        elif (
            node.name == "LateralJoin"
        ):  # its right side is made for each row of its left, and reads no changes, as was seen above
            if _kept(node) not in ("Inner", "Cross", "LeftOuter"):
                return f"a lateral join ({_kept(node)})"
        elif node.name == "Union":
            if len(below) < len(node.children):
                return "a union with another input, which would be added again by every epoch"
        elif node.name not in _ROWWISE:
            return _words(node.name)
        return next(filter(None, map(self._look, below)), "")

    def _join(self, node: PlanNode, below: list[PlanNode]) -> str:
        if len(below) > 1:
            return "a join of its changes input with itself"
        kept = _kept(node)
        left = below[0] is node.children[0]
        if (
            kept in ("Inner", "Cross")
            or (left and kept in ("LeftOuter", "LeftSemi", "LeftAnti"))
            or (not left and kept == "RightOuter")
        ):
            return ""
        return f"a join ({kept}) that keeps rows of another input"


def _kept(join: PlanNode) -> str:
    """Which rows a join keeps, as Spark names it."""
    kept = str(join.fields.get("joinType", {}).get("object", join.fields.get("joinType")))
    return kept.rsplit(".", 1)[-1].removesuffix("$")


def _words(name: str) -> str:
    known = {
        "Aggregate": "an aggregate",
        "Window": "a window",
        "Distinct": "DISTINCT",
        "Deduplicate": "dropDuplicates",
        "GlobalLimit": "a limit",
        "LocalLimit": "a limit",
        "Sort": "a sort",
        "Except": "EXCEPT",
        "Intersect": "INTERSECT",
        "Sample": "a sample",
        "MapInPandas": "mapInPandas, which may look at more than one row",
        "MapInArrow": "mapInArrow, which may look at more than one row",
        "FlatMapGroupsInPandas": "applyInPandas over groups",
    }
    return known.get(name, f"the operator {name}")


def _undeclared(plan: PlanNode, flow: FlowSpec, files: Mapping[str, str]) -> list[Diagnostic]:
    found: dict[str, Diagnostic] = {}

    def look(node: PlanNode) -> None:
        if node.name == "CollectMetrics" and str(node.fields.get("name")).startswith(MARK):
            return
        if not node.children and not node.subplans and node.name not in _CONSTANT and "Command" not in node.name:
            message = f"flow '{flow.name}' reads a table that is none of its inputs ({node.name})"
            found[node.name] = Diagnostic(
                "E261", message, flow.at, f"declare it as an input; this flow's inputs are: {', '.join(files)}"
            )
        for child in (*node.children, *node.subplans):
            look(child)

    look(plan)
    return list(found.values())
