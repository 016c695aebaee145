"""`equality:` of a flow: which columns of its rows are not compared, how near numbers must be, and which values have no order.

It never changes a row, so it is no part of a fingerprint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import models
from etl.config.schema.identifiers import VERSION_COLUMNS
from etl.config.spec import EqualitySpec, Near

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config.build.given import Given
    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec

IGNORE = "ignore"


def build_equality(given: Given, flow: str, model: models.Flow) -> EqualitySpec:
    """How a flow's rows are compared, with what contradicts itself reported."""
    if not model.equality:
        return EqualitySpec()
    path = ("flows", flow, "equality")
    ignored: tuple[str, ...] = ()
    near: list[Near] = []
    unordered: list[str] = []
    for name, value in model.equality.items():
        if name == IGNORE and isinstance(value, tuple):
            ignored = value
        elif name == IGNORE or isinstance(value, tuple):
            message = f"flow '{flow}': only {IGNORE} takes a list of columns, and nothing else"
            hint = "ignore: [loaded_at]" if name == IGNORE else f"{IGNORE}: [{name}], or {name}: unordered"
            given.report("E242", message, (*path, name), hint)
        elif isinstance(value, models.Tolerance):
            if value.rel is None and value.abs is None:
                message = f"flow '{flow}': '{name}' is given no tolerance"
                given.report("E242", message, (*path, name), "{rel: 1e-6}, {abs: 0.01}, or both: either is enough")
            near.append(Near(name, value.rel, value.abs))
        else:
            unordered.append(name)
    _check_repeated(given, flow, ignored, [*(each.column for each in near), *unordered])
    return EqualitySpec(ignored, tuple(near), tuple(unordered), given.document.place(path, key=True))


def _check_repeated(given: Given, flow: str, ignored: tuple[str, ...], compared: list[str]) -> None:
    """Report the columns of which two things are said."""
    path = ("flows", flow, "equality")
    for index, name in enumerate(ignored):
        if name.lower() in {other.lower() for other in (*ignored[:index], *compared)}:
            message = f"flow '{flow}': '{name}' is ignored, so nothing more can be said of it"
            given.report("E242", message, (*path, IGNORE, index), "keep one of the two")
    for index, name in enumerate(compared):
        if name.lower() in {other.lower() for other in compared[:index]}:
            message = f"flow '{flow}': '{name}' stands twice in equality; names of columns do not differ by case"
            given.report("E242", message, (*path, name), "keep one of them", key=True)


def check_equality(flow: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    """Ignored columns that decide about rows."""
    equality = flow.equality
    for name in equality.ignore:
        part = _decides(flow, name)
        if part:
            message = f"flow '{flow.name}': '{name}' is ignored, and {part} decides which rows are written"
            hint = "ignore only columns that nothing else depends on"
            yield Diagnostic("E242", message, _place(document, flow, name), hint)


def unknown_names(flow: FlowSpec, columns: Sequence[str], document: Document | None = None) -> Iterator[Diagnostic]:
    """The names in a flow's equality that are none of its `columns`; `document` says where each name stands."""
    added = VERSION_COLUMNS if flow.sink.strategy == "scd2" else ()
    stored = {name.lower() for name in (*columns, *added)}
    for name in flow.equality.names:
        if name.lower() not in stored:
            hint = did_you_mean(name, columns) or f"its columns are: {', '.join(columns)}"
            message = f"equality of flow '{flow.name}' names '{name}', which is no column of it"
            at = _place(document, flow, name) if document is not None else flow.equality.at
            yield Diagnostic("E242", message, at, hint)


def _place(document: Document, flow: FlowSpec, name: str) -> Location:
    path = ("flows", flow.name, "equality")
    if name in flow.equality.ignore:
        return document.place((*path, IGNORE, flow.equality.ignore.index(name)))
    return document.place((*path, name), key=True)


def _decides(flow: FlowSpec, name: str) -> str:
    """The part of the flow that reads a column to decide about rows; empty where none does."""
    sink = flow.sink
    for part, columns in (
        ("sink.keys", sink.keys),
        ("sink.sequence_by", sink.sequence_by),
        ("sink.track", sink.track),
        ("sink.partition_by", sink.partition_by),
        ("primary_key", flow.primary_key),
        ("incremental", tuple(group.column for group in flow.groups)),
    ):
        if name.lower() in {column.lower() for column in columns}:
            return part
    return ""
