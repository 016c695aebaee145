"""The columns that a flow stores, as far as its text tells: without a transform, or by a query that lists or stars those of one input.

What a Delta table cannot hold of them is found here; what only Spark's analysed plan tells, `engine/analysis/storable.py` finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.schema.ddl import DdlError, parse
from etl.config.schema.identifiers import FEED_COLUMNS
from etl.config.schema.types import Type
from etl.config.spec import IdentityTransform, SqlTransform
from etl.config.sql.syntax import understood

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, PipelineSpec


@dataclass(frozen=True, slots=True)
class _Stored:
    name: str
    shape: Type | None  # None: not known
    at: Location


def check_columns(spec: PipelineSpec, flow: FlowSpec, document: Document) -> Iterator[Diagnostic]:
    """The columns of a flow, as far as its text tells them, that its target cannot hold."""
    if flow.sink.takes:
        return  # a plug-in knows its own target
    feeds = is_followed(spec, flow)
    first = any(spec.source(input_.dataset) for input_ in flow.inputs)  # what a flow passes on is told of that flow
    for column in _stored(spec, flow, document, frozenset()) or ():
        fault = not_held(column.shape) if column.shape else ""
        if fault and first:
            message = f"flow '{flow.name}' stores a column '{column.name}', {fault}, which a Delta table does not hold"
            yield Diagnostic("E345", message, column.at, instead(fault))
        if feeds and column.name.lower() in FEED_COLUMNS:
            yield reserved(flow, column.name, column.at)


def is_followed(spec: PipelineSpec, flow: FlowSpec) -> bool:
    """Whether another flow reads the changes of the flow's target by its change feed, as far as its text tells."""
    from etl.config.checks.sinks import replaces_rows  # noqa: PLC0415  # it imports what is checked after this

    read = any(
        input_.dataset == flow.name and input_.read == "changes" for other in spec.flows for input_ in other.inputs
    )
    return read and replaces_rows(flow)


def reserved(flow: FlowSpec, name: str, at: Location) -> Diagnostic:
    """The mistake of a column that has the name of one of the change feed's (FEED_COLUMNS)."""
    message = (
        f"flow '{flow.name}' stores a column '{name}', and its changes are read: the name belongs to its change feed"
    )
    return Diagnostic("E255", message, at, "rename it in the transform, or read the flow as a snapshot")


def not_held(type_: Type, *, among: bool = False) -> str:
    """The part of a type that no Delta table holds, in words; empty where it holds all of it. `among`: the type is within an array or a map."""
    name = type_.name
    if name.startswith("interval"):
        return "an interval"
    if name == "time":
        return f"{'TIME' if not type_.numbers else f'TIME({type_.numbers[0]})'}, a time of day"
    if name.startswith(("geometry", "geography")):
        return name.upper()
    if name == "void" and among:  # as a column, or a field of a struct, it is kept, and read as NULL
        return "VOID among others"
    if name.startswith("string collate ") and name != "string collate utf8_binary":
        return f"a text with the collation {name.rpartition(' ')[2].upper()}"
    if name == "struct" and all(item.shape.name == "void" for item in type_.fields):
        return "a struct without a field that has a type"
    faults = [not_held(item, among=True) for item in type_.inner]
    faults += [not_held(item.shape, among=among) for item in type_.fields]
    return next((f"with {fault} in it" for fault in faults if fault), "")


def instead(fault: str) -> str:
    """What to store in place of a part of a type that a table does not hold; `fault` is what `not_held` says of it."""
    if "an interval" in fault:
        return "store it as a number, or as two instants"
    if "TIME" in fault:
        return "store it as a text (CAST(… AS STRING)), or as a number of microseconds"
    if "VOID" in fault:
        return "say its type: CAST(NULL AS STRING)"
    if "GEO" in fault:
        return "store it as well-known bytes: ST_AsBinary(…)"
    if "collation" in fault:
        return "store it without its collation (CAST(… AS STRING)), and compare it with one where it is read"
    return "give it a field, or leave it out"


def _stored(spec: PipelineSpec, flow: FlowSpec, document: Document, seen: frozenset[str]) -> list[_Stored] | None:
    """The columns of a flow's output; None where its text does not tell them."""
    if flow.name in seen or len(flow.inputs) != 1:
        return None
    transform, input_ = flow.transform, flow.inputs[0]
    columns = _given(spec, input_.dataset, document, seen | {flow.name})
    if columns is None or isinstance(transform, IdentityTransform):
        return columns
    if not isinstance(transform, SqlTransform) or flow.views:
        return None
    return _selected(transform, input_.name, columns)


def _given(spec: PipelineSpec, dataset: str, document: Document, seen: frozenset[str]) -> list[_Stored] | None:
    """The columns of a flow's input, each where it is written."""
    flow = spec.flow(dataset)
    if flow is not None:
        return _stored(spec, flow, document, seen)
    source = spec.source(dataset)
    if source is None or not source.schema:
        return None
    try:
        columns = parse(source.schema)
    except DdlError:  # told already
        return None
    path = ("sources", source.name, "schema")
    at = [
        replace(document.text_place(path, source.schema, column.offset), width=len(column.name)) for column in columns
    ]
    return [_Stored(column.name, column.shape, place) for column, place in zip(columns, at, strict=True)]


def _selected(transform: SqlTransform, name: str, columns: list[_Stored]) -> list[_Stored] | None:
    """The columns of `SELECT *, a, b AS c FROM name`; None for any other shape of a query."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    tree = understood(transform.text)
    if not isinstance(tree, exp.Select) or any(
        tree.args.get(part) for part in ("joins", "laterals", "with_", "with", "pivots")
    ):
        return None
    source = tree.args.get("from_") or tree.args.get("from")
    table = source.this if source else None
    if not isinstance(table, exp.Table) or table.name.lower() != name.lower() or table.args.get("pivots"):
        return None
    by_name = {column.name.lower(): column for column in columns}
    stored: list[_Stored] = []
    for expression in tree.expressions:
        inner = expression.this if isinstance(expression, exp.Alias) else expression
        if isinstance(expression, exp.Star) and not any(expression.args.values()):
            stored += columns
        elif isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star) and inner.name.lower() in by_name:
            stored.append(replace(by_name[inner.name.lower()], name=expression.alias_or_name))
        elif isinstance(expression, exp.Alias):
            stored.append(_Stored(expression.alias, None, transform.at))
    return stored
