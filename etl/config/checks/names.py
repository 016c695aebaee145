"""Each column that a flow names, held against the columns that are there: in its SQL, and in what stands beside its transform.

What is wrong is found with its line and column, without Spark. Where the columns are not known nothing is said: the plan, which asks Spark,
still finds it there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.config.build.equality import unknown_names
from etl.config.build.state import not_a_time
from etl.config.diagnostics import Diagnostic, Location, did_you_mean
from etl.config.spec import IdentityTransform, SqlTransform
from etl.config.sql.relation import Relation
from etl.config.sql.syntax import understood

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config.checks.outputs import Outputs
    from etl.config.document.document import Document, Path_
    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.config.sql.scope import Fault

_SHOWN = 12  # columns that a hint lists
_ROW = "SELECT 1 FROM _etl_row WHERE ("
_LISTS = ("keys", "sequence_by", "except_columns", "track", "partition_by", "cluster_by")


@dataclass(frozen=True, slots=True)
class _Expression:
    """An expression over one row: what it is for a person, its text, and where in the document it stands."""

    what: str
    text: str
    path: Path_


def check_names(spec: PipelineSpec, document: Document, outputs: Outputs) -> Iterator[Diagnostic]:
    """The columns that flows and views name, and that are not there or are several."""
    for flow in (*spec.flows, *spec.views):
        output = outputs.of(flow)
        for fault in output.faults:
            yield _in_sql(flow, fault)
        yield from _groups(flow, document, outputs)
        yield from _watermarks(flow, outputs)
        yield from _beside(flow, document, output.relation)


def _in_sql(flow: FlowSpec, fault: Fault) -> Diagnostic:
    transform = flow.transform
    at = transform.place(fault.offset or 0, fault.width) if isinstance(transform, SqlTransform) else flow.at
    message, hint = _said(fault)
    code = "E352" if fault.ambiguous_in else "E351"
    return Diagnostic(code, f"the SQL of flow '{flow.name}' names {message}", at, hint)


def _said(fault: Fault) -> tuple[str, str]:
    """What is wrong with a name, and what to do."""
    if fault.ambiguous_in:
        tables = [f"'{alias}'" for alias in dict.fromkeys(fault.ambiguous_in) if alias]
        where = f": {' and '.join(tables)}" if len(tables) > 1 else ""
        hint = (
            f"put the table before it, such as {fault.ambiguous_in[0]}.{fault.part}"
            if tables
            else "give each its own name"
        )
        return f"'{fault.name}', which stands for several columns{where}", hint
    if fault.whose:
        message = f"'{fault.name}', and '{fault.whose}' has no '{fault.part}'"
    else:
        message = f"'{fault.name}', which none of its tables has"
    return message, _hint(fault.part, fault.names, "there are")


def _hint(name: str, names: Sequence[str], there_are: str) -> str:
    near = did_you_mean(name, names)
    if near or not names:
        return near
    return f"{there_are}: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"


def _beside(flow: FlowSpec, document: Document, output: Relation) -> Iterator[Diagnostic]:
    """The columns that a flow's own keys name, of those that its transform returns."""
    path = ("flows", flow.name)
    returned = "the transform returns" if not isinstance(flow.transform, IdentityTransform) else "its input has"
    lists = [(f"sink.{key}", (*path, "sink", key), getattr(flow.sink, key)) for key in _LISTS]
    for key, place, names in (*lists, ("primary_key", (*path, "primary_key"), flow.primary_key)):
        for index, name in enumerate(names):
            if output.lacks(name):
                message = f"{key} of flow '{flow.name}' names '{name}', which the transform does not return"
                yield Diagnostic(
                    "E345", message, _item(document, place, index, name), _hint(name, output.names, returned)
                )
    for column in flow.columns:
        if output.lacks(column.name):
            message = f"flow '{flow.name}' promises a column '{column.name}', which its transform does not return"
            yield Diagnostic("E347", message, column.at, _hint(column.name, output.names, returned))
    if not output.unknown and not output.has_generated_names:
        yield from unknown_names(flow, output.names, document)
    rules = [
        _Expression(f"expectation '{rule.name}'", rule.expr, (*path, "expectations", rule.name, "expr"))
        for rule in flow.expectations
    ]
    if flow.sink.delete_when:
        rules.append(_Expression("delete_when", flow.sink.delete_when, (*path, "sink", "delete_when")))
    for rule in rules:
        yield from _in_expression(flow, document, rule, output, returned)


def _groups(flow: FlowSpec, document: Document, outputs: Outputs) -> Iterator[Diagnostic]:
    """The columns that the expressions of groups name, of the input that each is over; the groups that the transform does not return."""
    path = ("flows", flow.name, "incremental", "groups")
    inputs = {input_.name: input_ for input_ in flow.own_inputs}
    output = outputs.of(flow).relation
    for group in flow.groups:
        if output.lacks(group.column):
            message = f"the group '{group.column}' of flow '{flow.name}' is no column of what the transform returns"
            near = did_you_mean(group.column, output.names)
            hint = near or f"return it, or name one of: {', '.join(output.names)}"
            yield Diagnostic("E345", message, group.at, hint)
        seen: set[Diagnostic] = set()
        for name, text in group.expressions:
            place: Path_ = (*path, group.column, name)
            rule = _Expression(f"the group '{group.column}'", text, place if place in document.places else place[:-1])
            found = set(_in_expression(flow, document, rule, outputs.dataset(inputs[name].dataset), f"'{name}' has"))
            yield from found - seen  # one expression for all inputs is said once
            seen |= found


def _watermarks(flow: FlowSpec, outputs: Outputs) -> Iterator[Diagnostic]:
    """Watermarks over what is no time, or is not there; of what is not known here Spark tells, before anything is written."""
    for watermark in flow.state.watermarks if flow.state is not None else ():
        input_ = next((each for each in flow.inputs if each.name == watermark.input), None)
        rows = outputs.dataset(input_.dataset) if input_ is not None else Relation(unknown="reported where it stands")
        types = {column.name.lower(): str(column.shape).upper() for column in rows.columns if column.shape is not None}
        if watermark.column.lower() in types or rows.lacks(watermark.column):
            diagnostic = not_a_time(flow, watermark, types)
            if diagnostic is not None:
                yield diagnostic


def _in_expression(
    flow: FlowSpec, document: Document, rule: _Expression, rows: Relation, whose: str
) -> Iterator[Diagnostic]:
    tree = understood(f"{_ROW}{rule.text}\n)")
    if tree is None:
        return
    from etl.config.sql.resolution import resolve_expression  # noqa: PLC0415  # see sql.syntax.parse

    for fault in resolve_expression(tree.args["where"].this, rows):
        offset = max(0, (fault.offset or 0) - len(_ROW))
        at = replace(document.text_place(rule.path, rule.text, offset), width=fault.width)
        reason = f"'{fault.whose}' has no '{fault.part}'" if fault.whose else f"there is no column '{fault.name}'"
        if fault.ambiguous_in:
            reason = f"'{fault.name}' stands for several columns"
        message = f"{rule.what} of flow '{flow.name}' is not understood: {reason}: {rule.text}"
        yield Diagnostic("E349", message, at, _hint(fault.part, fault.names, whose))


def _item(document: Document, path: Path_, index: int, name: str) -> Location:
    place = (*path, index)
    return replace(document.place(place if place in document.places else path), width=len(name))
