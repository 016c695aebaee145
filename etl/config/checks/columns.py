"""The columns that a flow stores, as far as its text tells: without a transform, or by a query that lists or stars those of one input.

What a Delta table cannot hold of them is found here; what only Spark's analysed plan tells, `engine/storable.py` finds.
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
    """What a flow's target cannot hold of the columns that are known."""
    if flow.sink.takes:
        return  # a plug-in knows its own target
    feeds = is_followed(spec, flow)
    first = any(spec.source(item.dataset) for item in flow.inputs)  # what a flow passes on is told of that flow
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

    read = any(item.dataset == flow.name and item.read == "changes" for other in spec.flows for item in other.inputs)
    return read and replaces_rows(flow)


def reserved(flow: FlowSpec, name: str, at: Location) -> Diagnostic:
    """The mistake of a column that is called as one of the change feed's."""
    message = (
        f"flow '{flow.name}' stores a column '{name}', and its changes are read: the name belongs to its change feed"
    )
    return Diagnostic("E255", message, at, "rename it in the transform, or read the flow as a snapshot")


def not_held(kind: Type, *, among: bool = False) -> str:
    """What of a type no Delta table holds, for a person; empty where it holds all of it. `among`: within an array or a map."""
    name = kind.name
    if name.startswith("interval"):
        return "an interval"
    if name == "time":
        return f"{'TIME' if not kind.numbers else f'TIME({kind.numbers[0]})'}, a time of day"
    if name.startswith(("geometry", "geography")):
        return name.upper()
    if name == "void" and among:  # as a column, or a field of a struct, it is kept, and read as NULL
        return "VOID among others"
    if name.startswith("string collate ") and name != "string collate utf8_binary":
        return f"a text with the collation {name.rpartition(' ')[2].upper()}"
    if name == "struct" and all(item.shape.name == "void" for item in kind.fields):
        return "a struct without a field that has a type"
    faults = [not_held(item, among=True) for item in kind.inner]
    faults += [not_held(item.shape, among=among) for item in kind.fields]
    return next((f"with {fault} in it" for fault in faults if fault), "")


def instead(fault: str) -> str:
    """What to store in place of what a table does not hold."""
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
    transform, taken = flow.transform, flow.inputs[0]
    given = _given(spec, taken.dataset, document, seen | {flow.name})
    if given is None or isinstance(transform, IdentityTransform):
        return given
    if not isinstance(transform, SqlTransform) or flow.views:
        return None
    return _selected(transform, taken.name, given)


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
    at = [replace(document.text_place(path, source.schema, item.offset), width=len(item.name)) for item in columns]
    return [_Stored(item.name, item.shape, place) for item, place in zip(columns, at, strict=True)]


def _selected(transform: SqlTransform, name: str, given: list[_Stored]) -> list[_Stored] | None:
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
    known = {item.name.lower(): item for item in given}
    stored: list[_Stored] = []
    for item in tree.expressions:
        inner = item.this if isinstance(item, exp.Alias) else item
        if isinstance(item, exp.Star) and not any(item.args.values()):
            stored += given
        elif isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star) and inner.name.lower() in known:
            stored.append(replace(known[inner.name.lower()], name=item.alias_or_name))
        elif isinstance(item, exp.Alias):
            stored.append(_Stored(item.alias, None, transform.at))
    return stored
