"""Which flows a command means: `flow` (of a `for_each` all that it makes), `+flow` (with all it reads), `flow+` (with all that read it), `tag:nightly`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.views import readers
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import PipelineSpec
    from etl.planning.graph import Graph


def select(graph: Graph, spec: PipelineSpec, include: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """The flows selected, in the order of the graph; ConfigurationError where a selector means nothing."""
    diagnostics: list[Diagnostic] = []
    chosen = (
        set(graph.order) if not include else set().union(*(_one(item, graph, spec, diagnostics) for item in include))
    )
    chosen -= set().union(*(_one(item, graph, spec, diagnostics) for item in exclude)) if exclude else set()
    if not diagnostics and not chosen:
        diagnostics.append(
            Diagnostic(
                "E250",
                "nothing is selected: "
                + ("every selected flow is excluded again" if graph.order else "every flow is disabled"),
                hint="look at --select and --exclude" if graph.order else "say enabled: true for one of them",
            )
        )
    if diagnostics:
        raise ConfigurationError(diagnostics)
    return tuple(name for name in graph.order if name in chosen)


def _one(selector: str, graph: Graph, spec: PipelineSpec, diagnostics: list[Diagnostic]) -> set[str]:
    if selector.startswith("tag:"):
        tag = selector.removeprefix("tag:")
        tagged = {flow.name for flow in spec.flows if tag in (*flow.tags, *spec.tags)}
        if not tagged and any(tag in view.tags for view in spec.views):
            diagnostics.append(Diagnostic("E250", f"only views have the tag '{tag}', and a view has nothing to run"))
        elif not tagged:
            known = sorted({of_flow for flow in spec.flows for of_flow in (*flow.tags, *spec.tags)})
            hint = did_you_mean(tag, known) or f"the tags are: {', '.join(known) or 'none'}"
            diagnostics.append(Diagnostic("E250", f"no flow has the tag '{tag}'", hint=hint))
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
        hint = did_you_mean(name, graph.order) or f"the flows are: {', '.join(graph.order)}"
        diagnostics.append(Diagnostic("E250", f"there is no flow '{name}'", hint=hint))
        return set()
    named = set(chosen)
    if selector.startswith("+"):
        named = named.union(*(graph.upstream(item) for item in chosen))
    if selector.endswith("+"):
        named = named.union(*(graph.downstream(item) for item in chosen))
    return named
