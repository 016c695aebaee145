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
    from collections.abc import Callable, Iterator

    from etl.config.build.given import Given
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
    _loaded: dict[str, tuple[PipelineSpec | None, list[Diagnostic]]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """The project's pipelines."""
        return pipelines(self.project)

    def get(self, name: str) -> tuple[PipelineSpec | None, list[Diagnostic]]:
        """A pipeline, or None, and what is wrong with it."""
        if name not in self._loaded:
            self._loaded[name] = self.read(name)
        return self._loaded[name]


def open_link(given: Given, name: str, model: models.Source) -> SourceSpec:
    """A source that names a pipeline and a flow; `link` finds out where that flow's target lies."""
    path = ("sources", name)
    for field_name in sorted(model.model_fields_set - _ALLOWED):
        key = "schema" if field_name == "schema_" else field_name
        message = f"source '{name}' is another pipeline's target, which knows its own {key}"
        given.report("E205", message, (*path, key), f"leave {key} out", key=True)
    for key, other in (("pipeline", "flow"), ("flow", "pipeline")):
        if getattr(model, key) is None:
            message = f"'{key}' is missing in source '{name}', which names a {other}"
            given.report("E104", message, path, "{pipeline: registry, flow: planes}", key=True)
    limit = model.rate_limit
    return SourceSpec(
        name=name,
        format="delta",
        path="",
        rate_limit=RateLimitSpec(limit.files, limit.bytes) if limit else RateLimitSpec(),
        of=(model.pipeline or "", model.flow or ""),
        at=given.document.place(path, key=True),
    )


def link(given: Given, spec: PipelineSpec, others: Others) -> PipelineSpec:
    """The spec with the place of every target that it reads of another pipeline."""
    if not any(source.of for source in spec.sources):
        return spec
    sources = tuple(_linked(given, spec, source, others) if source.of else source for source in spec.sources)
    linked = replace(spec, sources=sources)
    given.diagnostics.extend(_circles(linked, others))
    return linked


def _linked(given: Given, spec: PipelineSpec, source: SourceSpec, others: Others) -> SourceSpec:
    pipeline, name = source.of or ("", "")
    if not pipeline or not name:
        return source
    path = ("sources", source.name, "pipeline")
    if pipeline not in others.names():
        hint = did_you_mean(pipeline, others.names()) or f"there are: {', '.join(others.names()) or 'none'}"
        given.report("E211", f"source '{source.name}': there is no pipeline '{pipeline}'", path, hint)
        return source
    other, mistakes = others.get(pipeline)
    given.diagnostics.extend(mistakes)
    if other is None:
        return source
    if other.file == spec.file:
        message = f"source '{source.name}' names a flow of its own pipeline"
        given.report("E211", message, path, f"leave the source out; '{name}' is an input by its name")
        return source
    flow = other.flow(name)
    if flow is None or is_view(flow):
        _report_unreadable(given, source, other)
        return source
    return replace(source, path=target(other, flow), flow=flow)


def _report_unreadable(given: Given, source: SourceSpec, other: PipelineSpec) -> None:
    """Report that a source names a flow of another pipeline that stores nothing: one that is not there, is disabled, or a view."""
    pipeline, name = source.of or ("", "")
    path = ("sources", source.name, "flow")
    flow = other.flow(name)
    if flow is not None:
        message = f"source '{source.name}' reads '{name}' of pipeline '{pipeline}', a view, which stores nothing"
        given.report("E211", message, path, f"let '{name}' be a flow that stores its rows")
    elif name in {disabled.name for disabled in other.disabled}:
        message = f"source '{source.name}' reads the flow '{name}' of pipeline '{pipeline}', which is disabled"
        given.report("E210", message, path, f"enable it in {pipeline}, or leave the source out")
    elif (renamed := next((each for each in other.flows if each.was == name), None)) is not None:
        message = f"pipeline '{pipeline}' has no flow '{name}': it is called '{renamed.name}' now"
        given.report("E211", message, path, f"write flow: {renamed.name}; nothing is rebuilt for that")
    else:
        names = [each.name for each in other.flows]
        hint = did_you_mean(name, names) or f"its flows are: {', '.join(names)}"
        given.report("E211", f"pipeline '{pipeline}' has no flow '{name}'", path, hint)


def target(spec: PipelineSpec, flow: FlowSpec) -> str:
    """Where a flow's target lies, by the layout of storage."""
    return below(spec.storage, flow.sink.path or f"tables/{spec.name}/{flow.stored_as}")


def _circles(spec: PipelineSpec, others: Others) -> Iterator[Diagnostic]:
    """Flows that read themselves through other pipelines; circles within one pipeline are found where it is checked."""
    closed: set[Path] = set()
    for start in spec.flows:
        trails = [[(spec, start)]]
        seen: set[tuple[Path, str]] = set()
        while trails:
            trail = trails.pop()
            for owner, flow in _upstream(*trail[-1], spec, others):
                if (owner.file, flow.name) == (spec.file, start.name):
                    abroad = {pipeline.file for pipeline, _ in trail} - {spec.file}
                    if abroad and not abroad & closed:
                        closed |= abroad
                        names = [f"{pipeline.name}.{each.name}" for pipeline, each in (*trail, (spec, start))]
                        message = f"flows depend on each other in a circle: {' reads '.join(names)}"
                        yield Diagnostic("E201", message, start.at, "break it by reading a source instead")
                elif (owner.file, flow.name) not in seen:
                    seen.add((owner.file, flow.name))
                    trails.append([*trail, (owner, flow)])


def _upstream(
    owner: PipelineSpec, flow: FlowSpec, spec: PipelineSpec, others: Others
) -> Iterator[tuple[PipelineSpec, FlowSpec]]:
    """The flows, each with its pipeline, whose targets a flow of the pipeline `owner` reads; `spec` is the one that is loaded."""
    for dataset in (input_.dataset for input_ in flow.inputs):
        own, source = owner.flow(dataset), owner.source(dataset)
        if own is not None:
            yield owner, own
        elif source is not None and source.of and source.of[0] in others.names():
            pipeline, name = source.of
            other, _ = others.get(pipeline)
            other = spec if other is not None and other.file == spec.file else other
            linked = other.flow(name) if other is not None else None
            if other is not None and linked is not None:
                yield other, linked
