"""A pipeline as nodes and edges, for people and for programs that draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.config.spec import IdentityTransform, PythonTransform
from etl.planning.graph import Graph
from etl.planning.selectors import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import FlowSpec, InputSpec, PipelineSpec, SourceSpec


@dataclass(frozen=True, slots=True)
class Node:
    """A source, a flow, or a view, which stores nothing and is part of the flows that read it."""

    name: str
    type: Literal["source", "flow", "view"]
    selected: bool  # False: drawn only because a selected flow reads it
    details: tuple[tuple[str, str | int], ...]  # what there is to say of it, in this order


@dataclass(frozen=True, slots=True)
class Edge:
    """A flow reads a dataset."""

    source: str
    target: str
    read: Literal["changes", "snapshot"]
    on_change: str | None


@dataclass(frozen=True, slots=True)
class Picture:
    """The chosen part of a pipeline: sources first, then flows, each after those it reads."""

    pipeline: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


def picture(spec: PipelineSpec, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Picture:
    """What the selectors choose, and what that reads; ConfigurationError where a selector means nothing."""
    graph = Graph.of(spec)
    chosen = select(graph, spec, include, exclude)
    views = {view.name: view for view in spec.views}
    drawn: dict[str, FlowSpec] = {}

    def draw(flow: FlowSpec) -> None:
        """A view stands before the first flow that it is part of."""
        for item in _reads(flow):
            if item.dataset in views and item.dataset not in drawn:
                draw(views[item.dataset])
        drawn[flow.name] = flow

    for name in chosen:
        draw(_flow(spec, name))
    for view in () if include or exclude else spec.views:
        if view.name not in drawn:
            draw(view)
    edges = tuple(
        Edge(item.dataset, flow.name, item.read, item.on_change) for flow in drawn.values() for item in _reads(flow)
    )
    read = {edge.source for edge in edges}
    outside = [_flow(spec, name) for name in graph.order if name in read and name not in drawn]
    nodes = [_source(item) for item in spec.sources if item.name in read or not (include or exclude)]
    nodes += [_node(spec, flow, "flow", selected=False) for flow in outside]
    nodes += [_node(spec, flow, "view" if name in views else "flow", selected=True) for name, flow in drawn.items()]
    return Picture(spec.name, tuple(nodes), edges)


def _reads(flow: FlowSpec) -> tuple[InputSpec, ...]:
    return flow.reads or flow.inputs


def _flow(spec: PipelineSpec, name: str) -> FlowSpec:
    return next(item for item in spec.flows if item.name == name)


def _source(source: SourceSpec) -> Node:
    of: tuple[tuple[str, str | int], ...] = (("of", ".".join(source.of)),) if source.of else ()
    return Node(source.name, "source", selected=True, details=(*of, ("format", source.format)))


def _node(spec: PipelineSpec, flow: FlowSpec, kind: Literal["flow", "view"], *, selected: bool) -> Node:
    transform = "none" if isinstance(flow.transform, IdentityTransform) else "sql"
    if isinstance(flow.transform, PythonTransform):
        transform = "python"
    details: list[tuple[str, str | int]] = [("incremental", flow.incremental)] if kind == "flow" else []
    if kind == "flow" and flow.sink.strategy is not None:
        details.append(("strategy", flow.sink.strategy))
    tests = sum(test.flow == flow.name for test in spec.tests)
    details += [("transform", transform), ("expectations", len(flow.expectations)), ("tests", tests)]
    if flow.description:
        details.append(("description", flow.description))
    tags = tuple(dict.fromkeys((*spec.tags, *flow.tags)))
    if tags:
        details.append(("tags", ", ".join(tags)))
    return Node(flow.name, kind, selected, tuple(details))
