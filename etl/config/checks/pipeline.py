"""What a pipeline's parts must be to each other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.config.build.equality import check_equality
from etl.config.build.starts import check_starts
from etl.config.checks import file_columns
from etl.config.checks.columns import check_columns
from etl.config.checks.names import check_names
from etl.config.checks.outputs import Outputs
from etl.config.checks.sinks import check_sink, replaces_rows
from etl.config.checks.sources import check_replays
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.object_uris import below, fault_of, is_object
from etl.config.sql.volatile import check_volatile
from etl.config.views import check_view, inlined, is_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.checks.outputs import OtherPipeline
    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, InputSpec, PipelineSpec


_PAUSES = ("max_retry_interval", "min_retry_interval")


@dataclass(frozen=True, slots=True)
class Checked:
    """What is wrong between a pipeline's parts, and the flows with names that only Spark can judge, each with the reason."""

    diagnostics: tuple[Diagnostic, ...]
    unjudged: tuple[tuple[str, str], ...] = ()


def check(spec: PipelineSpec, document: Document, others: OtherPipeline) -> Checked:
    """The mistakes and warnings between a pipeline's parts, whose links to other pipelines are resolved.

    They are inputs that do not exist, circles, kinds that do not fit their sinks, targets that meet, columns that are not there. `document`
    tells the places, `others` the pipelines that are linked.
    """
    clashes = list(_names(spec, document))
    if clashes:  # of two things with one name, nothing else can be said
        return Checked(tuple(clashes))
    diagnostics = [
        *_run(spec, document),
        *_existing(spec),
        *_circles(spec),
    ]
    if any(not diagnostic.is_warning for diagnostic in diagnostics):
        return Checked((*diagnostics, *_flows(spec, document, Outputs(spec, document, others))))
    inlined_spec, contradictions = inlined(spec)
    outputs = Outputs(inlined_spec, document, others)
    mistakes = (
        *diagnostics,
        *(item for flow in inlined_spec.views for item in _view(inlined_spec, spec, flow, document)),
        *contradictions,
        *_flows(inlined_spec, document, outputs),
        *check_replays(inlined_spec, document),
        *check_starts(inlined_spec),
        *file_columns.check(inlined_spec),
        *check_volatile(inlined_spec),
        *_own_files(inlined_spec, document),
        *_targets(inlined_spec, document),
        *check_names(inlined_spec, document, outputs),
    )
    return Checked(mistakes, tuple(outputs.unjudged().items()))


def _names(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    flows = {item.name for item in (*spec.flows, *spec.disabled)}
    for name in sorted({item.name for item in spec.sources} & flows):
        yield Diagnostic(
            "E119",
            f"'{name}' is both a source and a flow",
            document.place(("flows", name), key=True),
            "rename one of them",
        )
    yield from _former_names(spec, document)
    if spec.flow("params") or spec.source("params"):
        yield Diagnostic(
            "E119",
            "'params' is the name that Python transforms know the parameters by",
            document.place(()),
            "rename it",
        )


def _former_names(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    """The names that flows keep their tables under, where something else has them."""
    flows = (*spec.flows, *spec.disabled)
    owners: dict[str, str] = {}
    for flow in flows:
        if not flow.was:
            continue
        what = f"flow '{flow.name}' keeps the tables of '{flow.was}', and "
        hint = "call the other otherwise; or leave was out: this flow then begins with a table of its own"
        if flow.was == flow.name:
            what, hint = f"flow '{flow.name}' says that it was called as it is called", "leave was out"
        elif any(other.name == flow.was for other in flows):
            what += "a flow of that name is there as well"
        elif spec.source(flow.was) is not None:
            what += "a source has that name"
        elif flow.was in owners:
            what += f"so does flow '{owners[flow.was]}'"
        else:
            owners[flow.was] = flow.name
            continue
        yield Diagnostic("E119", what, document.place(("flows", flow.name, "was")), hint)


def _run(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    zones: list[tuple[tuple[str, ...], str]] = [(("run",), spec.run.timezone)]
    zones += [(("flows", item.name, "run"), item.timezone) for item in spec.flows if item.timezone != spec.run.timezone]
    for path, zone in zones:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            yield Diagnostic(
                "E143",
                f"there is no time zone '{zone}'",
                document.place((*path, "timezone")),
                "a name such as UTC or Europe/Berlin",
            )
    for retry, path in (
        (spec.run.retry, ("run", "retry")),
        *((flow.retry, ("flows", flow.name, "run", "retry")) for flow in spec.flows),
    ):
        if retry.min_retry_interval > retry.max_retry_interval:
            key = next((key for key in _PAUSES if (*path, key) in document.places), "")
            yield Diagnostic(
                "E144",
                "min_retry_interval is longer than max_retry_interval",
                document.place((*path, key)),
                "the first pause is the shortest",
            )
            return


def _flows(spec: PipelineSpec, document: Document, outputs: Outputs) -> Iterator[Diagnostic]:
    for flow in spec.flows:
        if is_view(flow):
            continue
        if not any(input_.read == "changes" for input_ in flow.inputs):
            yield Diagnostic(
                "E202",
                f"flow '{flow.name}' reads no changes, so nothing would ever make it run",
                document.place(("flows", flow.name, "inputs"), key=True),
                "read at least one input as changes",
            )
        for input_ in flow.inputs:
            if input_.dataset != flow.name:  # that is a circle
                yield from _input(spec, flow, input_)
        for input_ in flow.reads if flow.state is not None else ():
            if input_.read == "changes" and any(view.name == input_.dataset for view in flow.views):
                yield Diagnostic(
                    "E243",
                    f"flow '{flow.name}' watches the time of '{input_.dataset}', which is a view and has no rows of its own",
                    input_.at,
                    "read what the view reads, or let it be a flow that stores its rows",
                )
        yield from check_sink(flow, document, [name for name, _ in (*spec.params, *flow.variables)])
        yield from _primary_key(flow, document)
        yield from check_equality(flow, document)
        yield from check_columns(spec, flow, outputs)


def _existing(spec: PipelineSpec) -> Iterator[Diagnostic]:
    for flow in spec.flows:
        for input_ in flow.inputs:
            if any(other.name == input_.dataset for other in spec.disabled):
                message = f"flow '{flow.name}' is enabled and reads '{input_.dataset}', which is not"
                yield Diagnostic("E210", message, input_.at, f"disable '{flow.name}', or enable '{input_.dataset}'")
            elif spec.flow(input_.dataset) is None and spec.source(input_.dataset) is None:
                names = [
                    *(source.name for source in spec.sources),
                    *(other.name for other in spec.flows if other is not flow),
                ]
                hint = did_you_mean(input_.dataset, names) or f"there are: {', '.join(names)}"
                message = f"flow '{flow.name}' reads '{input_.dataset}', which is neither a source nor a flow"
                yield Diagnostic("E200", message, input_.at, hint)


def _view(whole: PipelineSpec, written: PipelineSpec, view: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    yield from check_view(view, document)
    for input_ in view.inputs:
        if written.flow(input_.dataset) is None or whole.flow(input_.dataset) is not None:
            yield from _input(whole, view, input_)


def _input(spec: PipelineSpec, flow: FlowSpec, input_: InputSpec) -> Iterator[Diagnostic]:
    upstream = spec.flow(input_.dataset)
    if input_.read == "changes" and input_.on_change is not None:
        yield Diagnostic(
            "E221",
            f"input '{input_.dataset}' of flow '{flow.name}': on_change is for snapshots",
            input_.at,
            "leave on_change out",
        )
    if input_.read == "snapshot" and upstream is not None and input_.on_change is None:
        yield Diagnostic(
            "E222",
            f"input '{input_.dataset}' of flow '{flow.name}' is a snapshot of a flow's target; say what happens when it changes",
            input_.at,
            "{read: snapshot, on_change: keep} or on_change: recompute",
        )
    source = spec.source(input_.dataset)
    behind = upstream or (source.flow if source is not None else None)  # the flow, perhaps another pipeline's
    if input_.read == "changes" and behind is not None and replaces_rows(behind):
        if flow.state is not None:
            yield Diagnostic(
                "E241",
                f"flow '{flow.name}' keeps state over '{input_.dataset}', whose rows also change and go; Spark's state takes none of them back",
                input_.at,
                "use incremental: groups or full; or read it as {read: snapshot, on_change: recompute}",
            )
            return
        strategy = flow.sink.strategy or ("append" if flow.incremental == "rows" else None)
        if strategy == "append":
            yield Diagnostic(
                "E241",
                f"flow '{flow.name}' appends, but '{input_.dataset}', whose changes it reads, also changes and deletes rows",
                input_.at,
                "use strategy: merge, groups or full; or read it as {read: snapshot, on_change: recompute}",
            )


def _primary_key(flow: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    path = ("flows", flow.name, "primary_key")
    if flow.primary_key and any(rule.name == "primary_key" for rule in flow.expectations):
        at = document.place(("flows", flow.name, "expectations", "primary_key"), key=True)
        message = f"flow '{flow.name}': 'primary_key' is the expectation that its primary_key is"
        yield Diagnostic("E119", message, at, "rename the expectation")
    if not flow.primary_key or flow.sink.strategy != "merge":
        return
    key = {name.lower() for name in flow.primary_key}
    for name in flow.sink.keys:
        if name.lower() not in key:
            columns = ", ".join(flow.primary_key)
            message = f"flow '{flow.name}': the merge keeps one row for each '{name}', so primary_key ({columns}) does not identify a row"
            yield Diagnostic("E238", message, document.place(path), f"add '{name}' to primary_key")
    merged = {name.lower() for name in flow.sink.keys}  # of those it is told anyway
    for name in flow.sink.except_columns:
        if name.lower() in key - merged:
            message = f"flow '{flow.name}': '{name}' of the primary_key is not stored"
            yield Diagnostic("E234", message, document.place(path), "take it out of except_columns")


def _own_files(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    """What the framework writes is read through inputs, which know how far they have read it."""
    for source in spec.sources:
        inside = source.path and source.flow is None
        if inside and Path(os.path.normpath(source.path)).is_relative_to(os.path.normpath(spec.storage)):
            yield Diagnostic(
                "E248",
                f"source '{source.name}' lies inside of storage, where the framework writes",
                document.place(("sources", source.name, "path")),
                "to read a flow's target, name the flow under inputs, or say {pipeline: …, flow: …}",
            )


def _circles(spec: PipelineSpec) -> Iterator[Diagnostic]:
    after = {flow.name: [input_.dataset for input_ in flow.inputs if spec.flow(input_.dataset)] for flow in spec.flows}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> tuple[str, ...]:
        if name in trail:
            return (*trail[trail.index(name) :], name)
        if name in done:
            return ()
        for upstream in after[name]:
            circle = visit(upstream, (*trail, name))
            if circle:
                return circle
        done.add(name)
        return ()

    inputs = {flow.name: flow.inputs for flow in spec.flows}
    for flow in spec.flows:
        circle = visit(flow.name, ())
        if circle:
            yield Diagnostic(
                "E201",
                f"flows depend on each other in a circle: {' reads '.join(circle)}",
                next(input_.at for input_ in inputs[circle[0]] if input_.dataset == circle[1]),
                "break it by reading a source instead",
            )
            return


def _targets(spec: PipelineSpec, document: Document) -> Iterator[Diagnostic]:
    reserved = ("quarantine", "state", "checkpoints", "history")
    places: dict[str, str] = {}
    for flow in spec.flows:
        target = str(PurePosixPath(flow.sink.path or f"tables/{spec.name}/{flow.stored_as}"))
        at = document.place(("flows", flow.name, "sink", "path"))
        fault = fault_of(below(spec.storage, target)) if is_object(spec.storage) else ""
        if fault and not fault_of(spec.storage):
            yield Diagnostic("E136", f"flow '{flow.name}': {fault}", at, "a path such as gold/orders")
        if target.split("/", maxsplit=1)[0] in reserved:
            yield Diagnostic(
                "E247", f"flow '{flow.name}': {target} is the framework's own place", at, "choose another path"
            )
        for other, name in places.items():
            if target == other or target.startswith(other + "/") or other.startswith(target + "/"):
                yield Diagnostic(
                    "E246",
                    f"flows '{name}' and '{flow.name}' would write into each other: {other} and {target}",
                    at,
                    "give each its own path",
                )
        places[target] = flow.name
