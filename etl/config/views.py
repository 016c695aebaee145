"""`strategy: view`: a flow that stores nothing and becomes part of its readers. Everything below config knows only flows that write.

A reader's inputs become the view's: read as changes, the view's own changes are what streams; read as a snapshot, all of it
is read whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """The mistakes of a view that says what only a flow with rows of its own can do."""
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
    if flow.was:
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: it stores nothing that it could keep under a former name",
            document.place((*path, "was"), key=True),
            "leave was out",
        )
    entry = document.values.get("flows", {}).get(flow.name) if isinstance(document.values, dict) else None
    entry = entry if isinstance(entry, dict) else {}
    if entry.get("run"):
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: it never runs by itself",
            document.place((*path, "run"), key=True),
            "leave run out",
        )
    if entry.get("maintenance"):
        yield Diagnostic(
            "E245",
            f"flow '{flow.name}' is a view: it has no tables to maintain",
            document.place((*path, "maintenance"), key=True),
            "leave maintenance out",
        )
    sink = entry.get("sink")
    for key in sink if isinstance(sink, dict) else ():
        if key != "strategy":
            yield Diagnostic(
                "E245",
                f"flow '{flow.name}' is a view: it stores nothing, so '{key}' means nothing",
                document.place((*path, "sink", key), key=True),
                "leave it out, or choose another strategy",
            )


def inlined(spec: PipelineSpec) -> tuple[PipelineSpec, list[Diagnostic]]:
    """The pipeline with its views inside their readers, and the tables that a reader would then read in two ways.

    The spec has no circles.
    """
    views = {flow.name: flow for flow in spec.flows if is_view(flow)}
    if not views:
        return spec, []
    readings = [_reader(flow, views) for flow in spec.flows if not is_view(flow)]
    flows = tuple(flow for flow, _ in readings)
    contradictions = [diagnostic for _, diagnostics in readings for diagnostic in diagnostics]
    return replace(spec, flows=flows, views=tuple(views.values())), contradictions


def readers(spec: PipelineSpec, view: str) -> tuple[str, ...]:
    """The flows that a view is part of."""
    return tuple(flow.name for flow in spec.flows if any(part.name == view for part in flow.views))


@dataclass(frozen=True, slots=True)
class _Read:
    """An input that stands behind a flow's own, and the view that it comes through; "": it is the flow's own."""

    input: InputSpec
    view: str

    def __str__(self) -> str:
        way = "changes" if self.input.read == "changes" else "a snapshot"
        return f"as {way}{f' (in the view {self.view})' if self.view else ''}"


def _reader(flow: FlowSpec, views: Mapping[str, FlowSpec]) -> tuple[FlowSpec, list[Diagnostic]]:
    """The flow with the views that it reads inside it, and the tables that it would then read in two ways."""
    if not any(own.dataset in views for own in flow.inputs):
        return flow, []
    inner: dict[str, FlowSpec] = {}
    reads: dict[str, _Read] = {}
    contradictions = []
    for own in flow.inputs:
        for read in _behind(own, views, inner):
            first = reads.setdefault(read.input.dataset, read)
            if first.input.read != read.input.read:
                message = f"flow '{flow.name}' reads '{read.input.dataset}' both {first} and {read}"
                hint = "read it one way; or let one of the views be a flow that stores its rows"
                contradictions.append(Diagnostic("E227", message, own.at, hint))
            on_change = "recompute" if read.input.on_change == "recompute" else first.input.on_change
            reads[read.input.dataset] = replace(first, input=replace(first.input, on_change=on_change))
    inputs = tuple(read.input for read in reads.values())
    return replace(flow, inputs=inputs, views=tuple(inner.values()), reads=flow.inputs), contradictions


def _behind(
    own: InputSpec, views: Mapping[str, FlowSpec], inner: dict[str, FlowSpec], through: str = ""
) -> Iterator[_Read]:
    """What stands behind an input; `inner` gains the views on the way to it, each after those it reads."""
    view = views.get(own.dataset)
    if view is None:
        yield _Read(replace(own, known_as=""), through)
        return
    for input_ in view.inputs:
        read = replace(input_, at=own.at)
        if own.read == "snapshot":
            read = replace(read, read="snapshot", on_change=_stricter(input_.on_change, own.on_change))
        yield from _behind(read, views, inner, view.name)
    inner[view.name] = view


def _stricter(one: OnChange | None, other: OnChange | None) -> OnChange | None:
    return "recompute" if "recompute" in (one, other) else one or other
