"""Which flows a command means: `flow` (of a `for_each` all that it makes), `+flow` (with all it reads), `flow+` (with all that read it), `tag:nightly`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.views import readers
from etl.errors import ConfigurationError
from etl.planning.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import PipelineSpec


def select(graph: Graph, spec: PipelineSpec, include: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """The flows selected, in the order of the graph; ConfigurationError where a selector means nothing."""
    diagnostics: list[Diagnostic] = []
    chosen = (
        set(graph.order) if not include else set().union(*(_one(item, graph, spec, diagnostics) for item in include))
    )
    chosen -= set().union(*(_one(item, graph, spec, diagnostics) for item in exclude)) if exclude else set()
    if not diagnostics and not chosen:
        diagnostics.append(_nothing(graph.order))
    if diagnostics:
        raise ConfigurationError(diagnostics)
    return tuple(name for name in graph.order if name in chosen)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is selected of one pipeline of several: its flows in the order of the graph, and the selectors that mean something in it."""

    spec: PipelineSpec
    flows: tuple[str, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


def select_together(
    specs: Sequence[PipelineSpec], include: Sequence[str], exclude: Sequence[str]
) -> tuple[Selection, ...]:
    """What is selected of each pipeline, in the order given; those of which nothing is are left out.

    Raises ConfigurationError where a selector means nothing in any of them, or nothing at all is selected.
    """
    chosen: list[dict[str, set[str]]] = [{} for _ in specs]
    graphs = [Graph.of(spec) for spec in specs]
    diagnostics: list[Diagnostic] = []
    for selector in dict.fromkeys((*include, *exclude)):
        refused: list[tuple[PipelineSpec, Diagnostic]] = []
        for spec, graph, flows in zip(specs, graphs, chosen, strict=True):
            mistakes: list[Diagnostic] = []
            found = _one(selector, graph, spec, mistakes)
            refused += [(spec, mistake) for mistake in mistakes]
            if not mistakes:
                flows[selector] = found
        if len(refused) == len(specs):
            told = [
                replace(mistake, message=f"{spec.name}: {mistake.message}")
                for spec, mistake in refused
                if mistake != _unknown(selector, [spec])
            ]
            diagnostics += told or [_unknown(selector, specs)]
    if diagnostics:
        raise ConfigurationError(diagnostics)
    selections = []
    for spec, graph, flows in zip(specs, graphs, chosen, strict=True):
        names = set().union(*(flows.get(selector, ()) for selector in include)) if include else set(graph.order)
        names -= set().union(*(flows.get(selector, ()) for selector in exclude))
        if names:
            order = tuple(name for name in graph.order if name in names)
            meant = [tuple(selector for selector in given if selector in flows) for given in (include, exclude)]
            selections.append(Selection(spec, order, *meant))
    if not selections:
        raise ConfigurationError([_nothing([name for graph in graphs for name in graph.order])])
    return tuple(selections)


def _nothing(flows: Sequence[str]) -> Diagnostic:
    """The mistake of a selection that leaves none of `flows`."""
    if flows:
        message, hint = "every selected flow is excluded again", "look at --select and --exclude"
    else:
        message, hint = "every flow is disabled", "say enabled: true for one of them"
    return Diagnostic("E250", f"nothing is selected: {message}", hint=hint)


def _unknown(selector: str, specs: Sequence[PipelineSpec]) -> Diagnostic:
    """The mistake of a selector that names no flow, and no tag, of these pipelines."""
    if selector.startswith("tag:"):
        tag = selector.removeprefix("tag:")
        tags = sorted({known for spec in specs for flow in spec.flows for known in (*flow.tags, *spec.tags)})
        hint = did_you_mean(tag, tags) or f"the tags are: {', '.join(tags) or 'none'}"
        return Diagnostic("E250", f"no flow has the tag '{tag}'", hint=hint)
    name = selector.removeprefix("+").removesuffix("+")
    flows = list(dict.fromkeys(known for spec in specs for known in Graph.of(spec).order))
    hint = did_you_mean(name, flows) or f"the flows are: {', '.join(flows)}"
    return Diagnostic("E250", f"there is no flow '{name}'", hint=hint)


def _one(selector: str, graph: Graph, spec: PipelineSpec, diagnostics: list[Diagnostic]) -> set[str]:
    if selector.startswith("tag:"):
        tag = selector.removeprefix("tag:")
        tagged = {flow.name for flow in spec.flows if tag in (*flow.tags, *spec.tags)}
        if not tagged and any(tag in view.tags for view in spec.views):
            diagnostics.append(Diagnostic("E250", f"only views have the tag '{tag}', and a view has nothing to run"))
        elif not tagged:
            diagnostics.append(_unknown(selector, [spec]))
        return tagged
    name = selector.removeprefix("+").removesuffix("+")
    chosen = {flow.name for flow in spec.flows if name in (flow.name, flow.family)}
    if not chosen and name in {known for flow in spec.disabled for known in (flow.name, flow.family)}:
        diagnostics.append(
            Diagnostic("E250", f"flow '{name}' is disabled", hint="say enabled: true, or select another")
        )
        return set()
    reading = {reader for view in spec.views if name in (view.name, view.family) for reader in readers(spec, view.name)}
    if not chosen and reading and selector == f"{name}+":
        chosen = reading
    elif not chosen and any(name in (view.name, view.family) for view in spec.views):
        hint = f"it is part of what reads it: {', '.join(sorted(reading))}" if reading else "no flow reads it"
        diagnostics.append(Diagnostic("E250", f"'{name}' is a view, and a view has nothing to run", hint=hint))
        return set()
    if not chosen:
        diagnostics.append(_unknown(selector, [spec]))
        return set()
    named = set(chosen)
    if selector.startswith("+"):
        named = named.union(*(graph.upstream(item) for item in chosen))
    if selector.endswith("+"):
        named = named.union(*(graph.downstream(item) for item in chosen))
    return named
