"""Sources that are the targets of another pipeline's flows: `planes: {pipeline: registry, flow: planes}`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.object_uris import below
from etl.config.project import pipelines
from etl.config.spec import RateLimitSpec, SourceSpec
from etl.config.views import is_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.build.given import Given
    from etl.config.document.document import Document
    from etl.config.grammar import models
    from etl.config.spec import FlowSpec, PipelineSpec

_ALLOWED = frozenset({"pipeline", "flow", "rate_limit", "for_each", "description"})


@dataclass(frozen=True, slots=True)
class Others:
    """The other pipelines of the project, each read once, and only when somebody names it.

    `read` gives a pipeline whose own links are still open, so that pipelines may name each other.
    """

    project: Path
    read: Callable[[str], tuple[PipelineSpec | None, list[Diagnostic]]]
    _known: dict[str, tuple[PipelineSpec | None, list[Diagnostic]]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """The project's pipelines."""
        return pipelines(self.project)

    def get(self, name: str) -> tuple[PipelineSpec | None, list[Diagnostic]]:
        """A pipeline, or None, and what is wrong with it."""
        if name not in self._known:
            self._known[name] = self.read(name)
        return self._known[name]


def open_link(parts: Given, name: str, model: models.Source, found: list[Diagnostic]) -> SourceSpec:
    """A source that names a pipeline and a flow; `link` finds out where that flow's target lies."""
    document, path = parts.document, ("sources", name)
    for key in sorted(model.model_fields_set - _ALLOWED):
        shown = "schema" if key == "schema_" else key
        message = f"source '{name}' is another pipeline's target, which knows its own {shown}"
        found.append(Diagnostic("E205", message, document.place((*path, shown), key=True), f"leave {shown} out"))
    for key, other in (("pipeline", "flow"), ("flow", "pipeline")):
        if getattr(model, key) is None:
            message = f"'{key}' is missing in source '{name}', which names a {other}"
            found.append(
                Diagnostic("E104", message, document.place(path, key=True), "{pipeline: registry, flow: planes}")
            )
    limit = model.rate_limit
    return SourceSpec(
        name=name,
        format="delta",
        path="",
        rate_limit=RateLimitSpec(limit.files, limit.bytes) if limit else RateLimitSpec(),
        of=(model.pipeline or "", model.flow or ""),
        at=document.place(path, key=True),
    )


def link(spec: PipelineSpec, document: Document, others: Others, found: list[Diagnostic]) -> PipelineSpec:
    """The spec with the place of every target that it reads of another pipeline; mistakes are added to `found`."""
    if not any(item.of for item in spec.sources):
        return spec
    sources = tuple(_linked(spec, item, document, others, found) if item.of else item for item in spec.sources)
    linked = replace(spec, sources=sources)
    found += _circles(linked, others)
    return linked


def _linked(
    spec: PipelineSpec, source: SourceSpec, document: Document, others: Others, found: list[Diagnostic]
) -> SourceSpec:
    pipeline, name = source.of or ("", "")
    at = document.place(("sources", source.name, "pipeline"))
    if not pipeline or not name:
        return source
    if pipeline not in others.names():
        hint = did_you_mean(pipeline, others.names()) or f"there are: {', '.join(others.names()) or 'none'}"
        found.append(Diagnostic("E211", f"source '{source.name}': there is no pipeline '{pipeline}'", at, hint))
        return source
    other, wrong = others.get(pipeline)
    found += wrong
    if other is None:
        return source
    if other.file == spec.file:
        message = f"source '{source.name}' names a flow of its own pipeline"
        found.append(Diagnostic("E211", message, at, f"leave the source out; '{name}' is an input by its name"))
        return source
    flow = other.flow(name)
    at = document.place(("sources", source.name, "flow"))
    if flow is None and name in {item.name for item in other.disabled}:
        message = f"source '{source.name}' reads the flow '{name}' of pipeline '{pipeline}', which is disabled"
        found.append(Diagnostic("E210", message, at, f"enable it in {pipeline}, or leave the source out"))
    elif flow is None:
        known = [item.name for item in other.flows]
        hint = did_you_mean(name, known) or f"its flows are: {', '.join(known)}"
        found.append(Diagnostic("E211", f"pipeline '{pipeline}' has no flow '{name}'", at, hint))
    elif is_view(flow):
        message = f"source '{source.name}' reads '{name}' of pipeline '{pipeline}', a view, which stores nothing"
        found.append(Diagnostic("E211", message, at, f"let '{name}' be a flow that stores its rows"))
    else:
        return replace(source, path=target(other, flow), flow=flow)
    return source


def target(spec: PipelineSpec, flow: FlowSpec) -> str:
    """Where a flow's target lies, by the layout of storage."""
    return below(spec.storage, flow.sink.path or f"tables/{spec.name}/{flow.name}")


def _circles(spec: PipelineSpec, others: Others) -> list[Diagnostic]:
    """Flows that read themselves through other pipelines; circles within one pipeline are found where it is checked."""
    found = []
    closed: set[Path] = set()

    def upstream(owner: PipelineSpec, flow: FlowSpec) -> list[tuple[PipelineSpec, FlowSpec]]:
        reached = []
        for item in flow.inputs:
            own, source = owner.flow(item.dataset), owner.source(item.dataset)
            if own is not None:
                reached.append((owner, own))
            elif source is not None and source.of and source.of[0] in others.names():
                other, _ = others.get(source.of[0])
                other = spec if other is not None and other.file == spec.file else other
                theirs = other.flow(source.of[1]) if other is not None else None
                if other is not None and theirs is not None:
                    reached.append((other, theirs))
        return reached

    for start in spec.flows:
        trails = [[(spec, start)]]
        seen: set[tuple[Path, str]] = set()
        while trails:
            trail = trails.pop()
            for owner, flow in upstream(*trail[-1]):
                if (owner.file, flow.name) == (spec.file, start.name):
                    abroad = {item.file for item, _ in trail} - {spec.file}
                    if abroad and not abroad & closed:
                        closed |= abroad
                        names = [f"{item.name}.{each.name}" for item, each in (*trail, (spec, start))]
                        message = f"flows depend on each other in a circle: {' reads '.join(names)}"
                        found.append(Diagnostic("E201", message, start.at, "break it by reading a source instead"))
                elif (owner.file, flow.name) not in seen:
                    seen.add((owner.file, flow.name))
                    trails.append([*trail, (owner, flow)])
    return found
