"""A plan followed from its output down to its changes inputs: what a judge has to say of each column of each operator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from etl.engine.analysis.inputs import ChangesReads

if TYPE_CHECKING:
    from etl.engine.session.analysed_plan import PlanNode

Value = TypeVar("Value")


class ColumnVisitor(ABC, Generic[Value]):
    """Follows the columns of a plan. It knows WITH; of all other operators a subclass says what their columns are.

    Columns are pairs: the identity by which operators refer to a column, and what the subclass has to say of it.
    """

    def __init__(self, plan: PlanNode, changes: frozenset[str]) -> None:
        self.reads = ChangesReads(plan, changes)
        self._defined: dict[str, list[tuple[int, Value]]] = {}

    def look(self, node: PlanNode) -> list[tuple[int, Value]]:
        """The operator's output columns. Raises what the subclass raises, where the plan has something that it must not."""
        if node.name == "WithCTE":
            for definition in node.definitions():
                self._defined[definition.cte] = self.look(definition.children[0])
            return self.look(node.body())
        if node.name == "CTERelationRef":
            return self.of_reference(node, self._defined.get(node.cte, []))
        if self.reads.is_input(node):
            return self.of_input(node)
        if not self.reads.below(node):
            return self.of_constant(node)
        return self.of_operator(node)

    @abstractmethod
    def of_input(self, node: PlanNode) -> list[tuple[int, Value]]:
        """The columns of a changes input."""

    @abstractmethod
    def of_constant(self, node: PlanNode) -> list[tuple[int, Value]]:
        """The columns of an operator that reads no changes input."""

    @abstractmethod
    def of_reference(self, node: PlanNode, defined: list[tuple[int, Value]]) -> list[tuple[int, Value]]:
        """The columns of an operator that reads a name of WITH; `defined`: those of the definition, in the same order."""

    @abstractmethod
    def of_operator(self, node: PlanNode) -> list[tuple[int, Value]]:
        """The columns of an operator that reads changes inputs."""
