"""`strategy: view`: a flow that stores nothing and becomes part of its readers. Everything below config knows only flows that write.

A reader's inputs become the view's: read as changes, the view's own changes are what streams; read as a snapshot, all of it
is read whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, InputSpec, OnChange, PipelineSpec


def is_view(flow: FlowSpec) -> bool:
    """Whether a flow, as written, stores nothing."""
    return flow.sink.strategy == "view"


def check_view(flow: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    """What cannot be said of a view, since it has no rows of its own."""
    path = ("flows", flow.name)
    if flow.expectations:
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: it has no quarantine, and nothing of it can be dropped or counted",
            document.place((*path, "expectations"), key=True),
            "move the expectations to the flows that read it",
        )
    if flow.incremental != "auto":
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: the flows that read it say how they are processed",
            document.place((*path, "incremental"), key=True),
            "leave incremental out",
        )
    written = document.values.get("flows", {}).get(flow.name) if isinstance(document.values, dict) else None
    said = written if isinstance(written, dict) else {}
    if said.get("run"):
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: it never runs by itself",
            document.place((*path, "run"), key=True),
            "leave run out",
        )
    sink = said.get("sink")
    for key in sink if isinstance(sink, dict) else ():
        if key != "strategy":
            yield Diagnostic(
                "E245",
                f"flow '{flow.name}' is a view: it stores nothing, so '{key}' means nothing",
                document.place((*path, "sink", key), key=True),
                "leave it out, or choose another strategy",
            )


def inlined(spec: PipelineSpec) -> tuple[PipelineSpec, list[Diagnostic]]:
    """The pipeline with its views inside their readers, and what does not fit then. Pure; the spec has no circles."""
    views = {flow.name: flow for flow in spec.flows if is_view(flow)}
    if not views:
        return spec, []
    found: list[Diagnostic] = []
    flows = tuple(_reader(flow, views, found) for flow in spec.flows if not is_view(flow))
    return replace(spec, flows=flows, views=tuple(views.values())), found


def readers(spec: PipelineSpec, view: str) -> tuple[str, ...]:
    """The flows that a view is part of."""
    return tuple(flow.name for flow in spec.flows if any(item.name == view for item in flow.views))


def _reader(flow: FlowSpec, views: Mapping[str, FlowSpec], found: list[Diagnostic]) -> FlowSpec:
    if not any(item.dataset in views for item in flow.inputs):
        return flow
    inner: dict[str, FlowSpec] = {}
    inputs: dict[str, tuple[InputSpec, str]] = {}
    for item in flow.inputs:
        for given, through in _inputs_of(item, views, inner):
            held, before = inputs.get(given.dataset, (given, through))
            if held.read != given.read:
                found.append(_contradiction(flow, item, held, before, given, through))
            strict = "recompute" if "recompute" in (held.on_change, given.on_change) else held.on_change
            inputs[given.dataset] = (replace(held, on_change=strict), before)
    return replace(
        flow, inputs=tuple(item for item, _ in inputs.values()), views=tuple(inner.values()), reads=flow.inputs
    )


def _inputs_of(
    item: InputSpec, views: Mapping[str, FlowSpec], inner: dict[str, FlowSpec], through: str = ""
) -> Iterator[tuple[InputSpec, str]]:
    """What stands behind an input, with the view that it comes through; `inner` gains the views, each after those it reads."""
    view = views.get(item.dataset)
    if view is None:
        yield replace(item, known_as=""), through
        return
    for own in view.inputs:
        given = replace(own, at=item.at)
        if item.read == "snapshot":
            given = replace(given, read="snapshot", on_change=_stricter(own.on_change, item.on_change))
        yield from _inputs_of(given, views, inner, view.name)
    inner[view.name] = view


def _stricter(one: OnChange | None, other: OnChange | None) -> OnChange | None:
    return "recompute" if "recompute" in (one, other) else one or other


def _contradiction(
    flow: FlowSpec, item: InputSpec, held: InputSpec, before: str, given: InputSpec, through: str
) -> Diagnostic:
    def way(one: InputSpec, view: str) -> str:
        return f"as {'changes' if one.read == 'changes' else 'a snapshot'}{f' (in the view {view})' if view else ''}"

    return Diagnostic(
        "E227",
        f"flow '{flow.name}' reads '{given.dataset}' both {way(held, before)} and {way(given, through)}",
        item.at,
        "read it one way; or let one of the views be a flow that stores its rows",
    )
