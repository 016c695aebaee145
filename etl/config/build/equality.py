"""`equality:` of a flow: which columns of its rows are not compared, how near numbers must be, and which values have no order.

It never changes a row, so it is no part of a fingerprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import models
from etl.config.schema import ddl
from etl.config.spec import EqualitySpec, IdentityTransform, Near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, PipelineSpec

IGNORE = "ignore"


def build(document: Document, flow: str, model: models.Flow, found: list[Diagnostic]) -> EqualitySpec:
    """What the flow says of equality; what contradicts itself is added to `found`."""
    path = ("flows", flow, "equality")
    ignored: tuple[str, ...] = ()
    near: list[Near] = []
    unordered: list[str] = []
    for name, said in model.equality.items():
        at = document.place((*path, name))
        if name == IGNORE and isinstance(said, tuple):
            ignored = said
        elif name == IGNORE or isinstance(said, tuple):
            hint = "ignore: [loaded_at]" if name == IGNORE else f"{IGNORE}: [{name}], or {name}: unordered"
            message = f"flow '{flow}': only {IGNORE} takes a list of columns, and nothing else"
            found.append(Diagnostic("E242", message, at, hint))
        elif isinstance(said, models.Tolerance):
            if said.rel is None and said.abs is None:
                message = f"flow '{flow}': '{name}' is given no tolerance"
                found.append(Diagnostic("E242", message, at, "{rel: 1e-6}, {abs: 0.01}, or both: either is enough"))
            near.append(Near(name, said.rel, said.abs))
        else:
            unordered.append(name)
    given = [*(item.column for item in near), *unordered]
    for index, name in enumerate(ignored):
        if name.lower() in {other.lower() for other in (*ignored[:index], *given)}:
            message = f"flow '{flow}': '{name}' is ignored, so nothing more can be said of it"
            found.append(Diagnostic("E242", message, document.place((*path, IGNORE, index)), "keep one of the two"))
    for index, name in enumerate(given):
        if name.lower() in {other.lower() for other in given[:index]}:
            message = f"flow '{flow}': '{name}' stands twice in equality; names of columns do not differ by case"
            found.append(Diagnostic("E242", message, document.place((*path, name), key=True), "keep one of them"))
    if not model.equality:
        return EqualitySpec()
    return EqualitySpec(ignored, tuple(near), tuple(unordered), document.place(path, key=True))


def check_equality(spec: PipelineSpec, flow: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    """Names that are no columns, where the columns are known here: of a flow that passes a source on as it is."""
    said = flow.equality
    for name in said.ignore:
        part = _decides(flow, name)
        if part:
            message = f"flow '{flow.name}': '{name}' is ignored, and {part} decides which rows are written"
            hint = "ignore only columns that nothing else depends on"
            yield Diagnostic("E242", message, _place(document, flow, name), hint)
    source = spec.source(flow.inputs[0].dataset) if len(flow.inputs) == 1 else None
    if not isinstance(flow.transform, IdentityTransform) or flow.views or source is None or not source.schema:
        return
    try:
        known = [column.name for column in ddl.parse(source.schema)]
    except ddl.DdlError:
        return  # reported where the schema stands
    yield from unknown_names(flow, known, {name: _place(document, flow, name) for name in said.names})


def unknown_names(
    flow: FlowSpec, known: list[str], places: Mapping[str, Location] | None = None
) -> Iterator[Diagnostic]:
    """The names in a flow's equality that none of its columns has."""
    added = ("valid_from", "valid_to", "is_current") if flow.sink.strategy == "scd2" else ()
    columns = {name.lower() for name in (*known, *added)}
    for name in flow.equality.names:
        if name.lower() not in columns:
            hint = did_you_mean(name, known) or f"its columns are: {', '.join(known)}"
            message = f"equality of flow '{flow.name}' names '{name}', which is no column of it"
            at = (places or {}).get(name, flow.equality.at)
            yield Diagnostic("E242", message, at, hint)


def _place(document: Document, flow: FlowSpec, name: str) -> Location:
    path = ("flows", flow.name, "equality")
    if name in flow.equality.ignore:
        return document.place((*path, IGNORE, flow.equality.ignore.index(name)))
    return document.place((*path, name), key=True)


def _decides(flow: FlowSpec, name: str) -> str:
    """The part of the flow that reads a column to decide about rows; empty where none does."""
    sink, low = flow.sink, name.lower()
    for part, names in (
        ("sink.keys", sink.keys),
        ("sink.sequence_by", sink.sequence_by),
        ("sink.track", sink.track),
        ("sink.partition_by", sink.partition_by),
        ("primary_key", flow.primary_key),
        ("incremental", tuple(item.column for item in flow.groups)),
    ):
        if low in {item.lower() for item in names}:
            return part
    return ""
