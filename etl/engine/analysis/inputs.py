"""Inputs recognised in a plan: each is given to the transform under an observation that is named after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.engine.session.analysed_plan import PlanNode

MARK = "etl_input:"


class ChangesReads:
    """The operators of a plan that read changes inputs, by themselves or through a name that WITH gives."""

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self._marks = {MARK + name for name in changes}
        self._defined: dict[str, bool] = {}
        for definition in (definition for node in plan.walk() for definition in node.definitions()):
            self._defined[definition.cte] = self.below(definition)

    def is_input(self, node: PlanNode) -> bool:
        """Whether the operator is a changes input itself."""
        return node.name == "CollectMetrics" and node.fields.get("name") in self._marks

    def below(self, node: PlanNode) -> bool:
        """Whether the operator is a changes input or reads one, also in a subquery."""
        return any(
            self.is_input(part) or (part.name == "CTERelationRef" and self._defined.get(part.cte, False))
            for part in node.walk()
        )
