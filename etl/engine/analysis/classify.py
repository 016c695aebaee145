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
from etl.engine.analysis.inputs import MARK, ChangesReads
from etl.engine.analysis.lineage import join_type
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
    """The kind that the plan allows.

    Attributes:
        operator: what decided it, in words.
        warnings: what works, and should be looked at.
        opaque: of groups the Python that may mix them, for all that the plan shows.
    """

    kind: Kind
    operator: str
    warnings: tuple[str, ...] = ()
    opaque: str = ""


def mark_input(name: str, frame: DataFrame) -> DataFrame:
    """The rows of the input `name`, under an observation by which a plan shows the input."""
    return frame.observe(MARK + name, F.count(F.lit(1)).alias("rows"))


def check(
    flow: FlowSpec,
    output: DataFrame,
    changes: frozenset[str],
    files: Mapping[str, str],
    since: datetime | None = None,
) -> Classified:
    """The kind that the plan of a flow's output allows.

    `changes`: the names of the inputs that are read as changes. `files`: the flow's inputs by name, for a hint. `since`: when the
    transform was called, which may have looked at the clock.
    Raises ConfigurationError where the plan reads what is no input, gives what differs from run to run, or is not of the declared kind.
    """
    plan = analysed_plan(output)
    diagnostics = [
        *_undeclared(plan, flow, files),
        *determinism.volatile(plan, flow, output, since),
        *determinism.ordered(plan, flow),
    ]
    if diagnostics:
        raise ConfigurationError(diagnostics)
    warnings = deciding.deciding(plan, flow) + determinism.arbitrary_choices(plan, flow)
    warnings += keys.unnamed_groups(plan, flow, changes)
    return replace(_classified(plan, flow, changes), warnings=warnings)


def row_by_row(frame: DataFrame, changes: frozenset[str]) -> str:
    """The obstacle to computing a frame row by row of one changes input, in words; empty where there is none."""
    return _RowByRow(analysed_plan(frame), changes).obstacle()


def _classified(plan: PlanNode, flow: FlowSpec, changes: frozenset[str]) -> Classified:
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
        diagnostic = open_results.unsettled(plan, flow, changes)
        if diagnostic is not None:
            raise ConfigurationError([diagnostic])
        return Classified("state", "declared")
    operator = _RowByRow(plan, changes).obstacle()
    if flow.incremental == "rows" and operator:
        message = f"flow '{flow.name}' says incremental: rows, but its plan has {operator}: a micro-batch alone cannot tell the answer"
        raise ConfigurationError([Diagnostic("E260", message, flow.at, "use incremental: full, or auto")])
    if flow.incremental == "full":
        return Classified("full", "declared")
    return Classified("full", operator) if operator else Classified("rows", "no operator that joins rows together")


class _RowByRow:
    """Searches a plan for what keeps it from being computed row by row of its one changes input."""

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self._plan, self._changes, self._reads = plan, changes, ChangesReads(plan, changes)

    def obstacle(self) -> str:
        """The first operator in the way, in words; empty where there is none."""
        if len(self._changes) > 1:
            return "more than one changes input"
        return self._look(self._plan) if self._reads.below(self._plan) else "no read of its changes input"

    def _look(self, node: PlanNode) -> str:
        """The first obstacle at an operator or below it."""
        if any(map(self._reads.below, node.subplans)):
            return "a subquery over its changes input"
        changing = [child for child in node.children if self._reads.below(child)]
        if not changing or self._reads.is_input(node):
            return ""
        return self._obstacle(node, changing) or next(filter(None, map(self._look, changing)), "")

    def _obstacle(self, node: PlanNode, changing: list[PlanNode]) -> str:
        """The obstacle at the operator itself; `changing`: those of its children that read the changes input."""
        if node.name == "Join":
            return _join(node, changing)
        if node.name == "LateralJoin":  # its right side is made for each row of its left, and reads no changes
            kept = join_type(node)
            return "" if kept in ("Inner", "Cross", "LeftOuter") else f"a lateral join ({kept})"
        if node.name == "Union":
            is_whole = len(changing) == len(node.children)
            return "" if is_whole else "a union with another input, which would be added again by every epoch"
        return "" if node.name in _ROWWISE else _words(node.name)


def _join(node: PlanNode, changing: list[PlanNode]) -> str:
    if len(changing) > 1:
        return "a join of its changes input with itself"
    kept = join_type(node)
    is_left = changing[0] is node.children[0]
    keeps_own = ("LeftOuter", "LeftSemi", "LeftAnti") if is_left else ("RightOuter",)
    return "" if kept in ("Inner", "Cross", *keeps_own) else f"a join ({kept}) that keeps rows of another input"


def _words(name: str) -> str:
    words = {
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
    return words.get(name, f"the operator {name}")


def _undeclared(plan: PlanNode, flow: FlowSpec, files: Mapping[str, str]) -> list[Diagnostic]:
    """A diagnostic for each kind of leaf that is no input of the flow's."""
    diagnostics: dict[str, Diagnostic] = {}

    def look(node: PlanNode) -> None:
        if node.name == "CollectMetrics" and str(node.fields.get("name")).startswith(MARK):
            return
        if not node.children and not node.subplans and node.name not in _CONSTANT and "Command" not in node.name:
            message = f"flow '{flow.name}' reads a table that is none of its inputs ({node.name})"
            hint = f"declare it as an input; this flow's inputs are: {', '.join(files)}"
            diagnostics[node.name] = Diagnostic("E261", message, flow.at, hint)
        for below in (*node.children, *node.subplans):
            look(below)

    look(plan)
    return list(diagnostics.values())
