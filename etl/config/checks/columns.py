"""The columns that a flow stores, as far as its text tells.

What a Delta table cannot hold of them is found here; what only Spark's analysed plan tells, `engine/analysis/storable.py` finds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import NOWHERE, Diagnostic
from etl.config.schema.identifiers import FEED_COLUMNS
from etl.config.spec import IdentityTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.checks.outputs import Outputs
    from etl.config.diagnostics import Location
    from etl.config.schema.types import Type
    from etl.config.spec import FlowSpec, PipelineSpec


def check_columns(spec: PipelineSpec, flow: FlowSpec, outputs: Outputs) -> Iterator[Diagnostic]:
    """The columns of a flow, as far as its text tells them, that its target cannot hold."""
    if flow.sink.takes:
        return  # a plug-in knows its own target
    feeds = is_followed(spec, flow)
    first = any(spec.source(input_.dataset) for input_ in flow.inputs)  # what a flow passes on is told of that flow
    here = flow.at if isinstance(flow.transform, IdentityTransform) else flow.transform.at
    names: set[str] = set()
    for column in outputs.of(flow).relation.columns:
        at = here if column.at == NOWHERE else column.at
        fault = not_held(column.shape) if column.shape else ""
        if fault and first:
            message = f"flow '{flow.name}' stores a column '{column.name}', {fault}, which a Delta table does not hold"
            yield Diagnostic("E345", message, at, instead(fault))
        if feeds and column.name.lower() in FEED_COLUMNS:
            yield reserved(flow, column.name, at)
        if column.name.lower() in names:
            message = f"the transform of flow '{flow.name}' returns two columns named '{column.name}'"
            yield Diagnostic("E345", message, here, "rename one of them, or leave it out")
        names.add(column.name.lower())


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
