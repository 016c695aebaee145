"""Which flow reads which: the order in which they can run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.spec import PipelineSpec


@dataclass(frozen=True, slots=True)
class Graph:
    """The flows of a pipeline, each after those it reads; among equals in the order of the file."""

    order: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, spec: PipelineSpec) -> Graph:
        """The graph of a checked spec (without circles)."""
        names = {flow.name for flow in spec.flows}
        parents = {
            flow.name: tuple(item.dataset for item in flow.inputs if item.dataset in names) for flow in spec.flows
        }
        order: list[str] = []
        while len(order) < len(parents):
            order.append(next(name for name in parents if name not in order and set(parents[name]) <= set(order)))
        return cls(tuple(order), parents)

    def upstream(self, name: str) -> frozenset[str]:
        """Every flow that `name` depends on, however far."""
        seen: set[str] = set()
        waiting = list(self.parents[name])
        while waiting:
            parent = waiting.pop()
            if parent not in seen:
                seen.add(parent)
                waiting += self.parents[parent]
        return frozenset(seen)

    def downstream(self, name: str) -> frozenset[str]:
        """Every flow that depends on `name`, however far."""
        return frozenset(other for other in self.order if name in self.upstream(other))
