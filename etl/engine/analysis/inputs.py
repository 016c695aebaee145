"""Inputs found again in a plan: each was given under an observation that is named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.engine.session.analysed_plan import PlanNode

MARK = "etl_input:"


class Moving:
    """Which parts of a plan read changes inputs, by themselves or through a name that WITH gives."""

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self._marks = {MARK + name for name in changes}
        self._defined: dict[str, bool] = {}
        for node in plan.walk():
            if node.name == "CTERelationDef":
                self._defined[str(node.fields.get("id"))] = self.reads(node)

    def is_input(self, node: PlanNode) -> bool:
        """Whether the operator is a changes input itself."""
        return node.name == "CollectMetrics" and node.fields.get("name") in self._marks

    def reads(self, node: PlanNode) -> bool:
        """Whether a changes input is somewhere below, subqueries among it."""
        return any(
            self.is_input(item)
            or (item.name == "CTERelationRef" and self._defined.get(str(item.fields.get("cteId")), False))
            for item in node.walk()
        )
