"""A pipeline as nodes and edges, for people and for programs that draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from etl.config.spec import IdentityTransform, PythonTransform
from etl.planning.graph import Graph
from etl.planning.selectors import select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import FlowSpec, PipelineSpec, SourceSpec


@dataclass(frozen=True, slots=True)
class Node:
    """A source or a flow."""

    name: str
    type: Literal["source", "flow"]
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
    edges = tuple(
        Edge(item.dataset, name, item.read, item.on_change) for name in chosen for item in _flow(spec, name).inputs
    )
    read = {edge.source for edge in edges}
    nodes = [_source(item) for item in spec.sources if item.name in read or not (include or exclude)]
    nodes += [
        _node(spec, _flow(spec, name), selected=name in chosen)
        for name in graph.order
        if name in chosen or name in read
    ]
    return Picture(spec.name, tuple(nodes), edges)


def _flow(spec: PipelineSpec, name: str) -> FlowSpec:
    return next(item for item in spec.flows if item.name == name)


def _source(source: SourceSpec) -> Node:
    return Node(source.name, "source", selected=True, details=(("format", source.format),))


def _node(spec: PipelineSpec, flow: FlowSpec, *, selected: bool) -> Node:
    transform = "none" if isinstance(flow.transform, IdentityTransform) else "sql"
    if isinstance(flow.transform, PythonTransform):
        transform = "python"
    details: list[tuple[str, str | int]] = [("incremental", flow.incremental)]
    if flow.sink.strategy is not None:
        details.append(("strategy", flow.sink.strategy))
    details += [("transform", transform), ("expectations", len(flow.expectations))]
    if flow.description:
        details.append(("description", flow.description))
    tags = tuple(dict.fromkeys((*spec.tags, *flow.tags)))
    if tags:
        details.append(("tags", ", ".join(tags)))
    return Node(flow.name, "flow", selected, tuple(details))
