"""The columns that each dataset of a pipeline has, as far as its text tells: declared by a source, or what a flow's query makes of its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from etl.config.grammar.formats import FORMATS
from etl.config.resolve.schema_files import UNREAD
from etl.config.schema.ddl import DdlError, parse
from etl.config.schema.identifiers import VERSION_COLUMNS
from etl.config.spec import IdentityTransform, SqlTransform
from etl.config.sql.lexical import scan
from etl.config.sql.relation import NamedColumn, Relation
from etl.config.sql.syntax import stand_in, understood
from etl.config.views import is_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.config.document.document import Document
    from etl.config.spec import FlowSpec, PipelineSpec, SourceSpec
    from etl.config.sql.scope import Fault


OtherPipeline: TypeAlias = "Callable[[str], PipelineSpec | None]"
"""Gives another pipeline of the project by its name; None where there is none, or it is wrong."""


def no_others(_: str) -> None:
    """Gives no pipeline: what links to one is not known."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a flow's transform returns, and the names in its SQL that stand for no column or for several."""

    relation: Relation
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Outputs:
    """The columns of a pipeline's datasets, each found once.

    Attributes:
        document: the pipeline's file, which says where a column is declared; None where nobody asks.
    """

    spec: PipelineSpec
    document: Document | None = None
    others: OtherPipeline = no_others
    _known: dict[str, Output] = field(default_factory=dict)
    _through: frozenset[tuple[str, str]] = frozenset()

    def dataset(self, name: str) -> Relation:
        """The columns that readers of a dataset see."""
        flow = next((flow for flow in (*self.spec.flows, *self.spec.views) if flow.name == name), None)
        if flow is not None:
            return self.stored(flow)
        source = self.spec.source(name)
        return self._declared(source) if source is not None else Relation(unknown=f"'{name}' is not there")

    def stored(self, flow: FlowSpec) -> Relation:
        """The columns of a flow's target, or of a view."""
        output = self.of(flow).relation.each_once()  # that a name comes twice is reported of the flow itself
        if is_view(flow):
            return output
        if flow.sink.takes:
            return Relation(unknown=f"'{flow.name}' has a plug-in's target")
        if flow.sink.schema_evolution != "fail":
            output = replace(output, unknown=output.unknown or f"the table of '{flow.name}' keeps columns of before")
        stored = output.without(flow.sink.except_columns)
        return stored.with_columns(VERSION_COLUMNS) if flow.sink.strategy == "scd2" else stored

    def of(self, flow: FlowSpec) -> Output:
        """What a flow's own transform returns."""
        if flow.name not in self._known:
            self._known[flow.name] = Output(Relation(unknown=f"'{flow.name}' reads itself"))  # until it is found
            self._known[flow.name] = self._output(flow)
        return self._known[flow.name]

    def unjudged(self) -> dict[str, str]:
        """The flows and views of which not each name could be judged, with the reason."""
        reasons = {}
        for flow in (*self.spec.flows, *self.spec.views):
            relations = [*(self.dataset(input_.dataset) for input_ in flow.own_inputs), self.of(flow).relation]
            reason = next((relation.unknown for relation in relations if relation.unknown), "")
            if reason:
                reasons[flow.name] = reason
        return reasons

    def _output(self, flow: FlowSpec) -> Output:
        transform = flow.transform
        inputs = {input_.name: self.dataset(input_.dataset) for input_ in flow.own_inputs}
        if isinstance(transform, IdentityTransform) and transform.refused:
            return Output(Relation(unknown=f"the transform of '{flow.name}' is wrong"))
        if isinstance(transform, IdentityTransform):
            return Output(next(iter(inputs.values()), Relation(unknown=f"'{flow.name}' has no input")))
        if not isinstance(transform, SqlTransform):
            return Output(Relation(unknown=f"only Python tells what '{flow.name}' returns"))
        tree = understood(transform.text) or understood(stand_in(transform.text))
        if tree is None or "|>" in scan(transform.text).bare:
            return Output(Relation(unknown=f"only Spark understands the SQL of '{flow.name}'"))
        from etl.config.sql.resolution import resolve  # noqa: PLC0415  # see sql.syntax.parse

        try:
            resolution = resolve(tree, inputs)
        except RecursionError:
            return Output(Relation(unknown=f"the SQL of '{flow.name}' is nested too deeply"))
        return Output(resolution.output, resolution.faults)

    def _declared(self, source: SourceSpec) -> Relation:
        if source.of is not None:
            return self._linked(*source.of)
        format_ = FORMATS.get(source.format)
        text = source.schema or (format_.columns if format_ is not None else None)
        if text == UNREAD:
            return Relation(unknown=f"the schema of '{source.name}' cannot be read")
        if not text:
            return Relation(unknown=f"only the table of '{source.name}' tells its columns")
        try:
            columns = parse(text)
        except DdlError:  # reported where the schema stands
            return Relation(unknown=f"the schema of '{source.name}' is wrong")
        named = []
        for column in columns:
            path, width = ("sources", source.name, "schema"), len(column.name)
            at = self.document.text_place(path, text, column.offset) if self.document and source.schema else source.at
            named.append(NamedColumn(column.name, column.shape, replace(at, width=width)))
        return Relation(tuple(named))

    def _linked(self, pipeline: str, name: str) -> Relation:
        unknown = Relation(unknown=f"the columns of {pipeline}.{name} are not known")
        other = self.others(pipeline)
        flow = other.flow(name) if other is not None else None
        if other is None or flow is None or (pipeline, name) in self._through:
            return unknown
        return Outputs(other, None, self.others, {}, self._through | {(pipeline, name)}).stored(flow)
