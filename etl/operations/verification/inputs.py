"""All inputs of a verification: which of them arrive in portions, which are held fixed, and which cannot be verified."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.build.starts import starts
from etl.config.checks import file_columns
from etl.config.diagnostics import Diagnostic
from etl.config.grammar.formats import FORMATS
from etl.config.schema import ddl
from etl.config.spec import PythonTransform, SourceSpec, SqlTransform
from etl.config.sql.bound import with_literals
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError
from etl.operations.verification.generated import ROWS, GeneratedValues, generated, never_null, without_fail
from etl.operations.verification.literals import compared
from etl.operations.verification.source_copies import TableCopy, copy_of_files, sampled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.spec import FlowSpec, InputSpec, PipelineSpec
    from etl.engine.session.shared import Sessions
    from etl.engine.tables.portions import DealtTables
    from etl.operations.verification.source_copies import SourceCopy
    from etl.operations.verification.split_plan import SplitPlan

_FIXED = "__fixed"


@dataclass(frozen=True, slots=True)
class VerificationInputs:
    """The inputs as they stood when the verification began, and the pipeline that reads them.

    Attributes:
        copies: Source → its rows, as they were then.
        notes: What was taken of which source, for a person.
    """

    spec: PipelineSpec
    scratch: Path
    copies: dict[str, SourceCopy]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, spec: PipelineSpec, sessions: Sessions, scratch: Path, *, rows: int | None, generated: bool, seed: int
    ) -> VerificationInputs:
        """The inputs of a pipeline of which only the flows to verify are left.

        Raises ConfigurationError with every source that cannot be verified, and EnvironmentProblem where one is not there.
        """
        read = {item.dataset for flow in spec.flows for item in flow.inputs}
        sources = [source for source in spec.sources if source.name in read]
        mistakes = [mistake for source in sources if (mistake := _obstacle(source, generated=generated)) is not None]
        if mistakes:
            raise ConfigurationError(mistakes)
        from etl.engine.sources.catalog import located  # noqa: PLC0415  # pyspark only for a verification that can be done
        from etl.engine.tables.portions import DealtTables  # noqa: PLC0415

        if any(source.table for source in sources):
            spec = located(spec, read, sessions.get().flow_session(spec.run.timezone))
        tables = DealtTables(sessions.get())
        if generated:
            spec = replace(spec, flows=tuple(map(without_fail, spec.flows)))
        copier = _Copier(spec, scratch, tables, rows, seed)
        copies = {
            source.name: copier.generated(source) if generated else copier.copied(source)
            for source in spec.sources
            if source.name in read
        }
        return cls(spec, scratch, copies, tuple(copier.notes))

    def empty(self) -> None:
        """Take away the files of the trial before."""
        shutil.rmtree(self.scratch / "landing", ignore_errors=True)

    def whole(self, folder: Path) -> list[SourceSpec]:
        """Bring everything at once, as it is; the sources by which a trial in `folder` reads it."""
        for name, copy in self.copies.items():
            copy.whole(folder, name)
        return [copy.source(folder, name, None) for name, copy in self.copies.items()]

    def mixed(self, folder: Path, seed: int) -> list[SourceSpec]:
        """Bring everything at once, in another order; the sources by which a trial in `folder` reads it."""
        for name, copy in self.copies.items():
            copy.mixed(folder, name, seed)
        return [copy.source(folder, name, None) for name, copy in self.copies.items()]

    def trial(self, folder: Path, split: SplitPlan, reference: Path) -> tuple[PipelineSpec, list[SourceSpec]]:
        """The pipeline and its sources for a trial, nothing of them there yet but what is held fixed.

        Modes are equal at equal snapshots, so a flow that keeps what it has read of a table that moves gets that table as the
        batch over everything has seen it.
        """
        moving = self._moving()
        sources = [copy.source(folder, name, split if name in moving else None) for name, copy in self.copies.items()]
        for name in self.copies.keys() - moving:
            self.copies[name].whole(folder, name)
        flows: list[FlowSpec] = []
        fixed: dict[str, SourceSpec] = {}
        for flow in self.spec.flows:
            kept = [
                item.dataset
                for item in flow.inputs
                if _keeps(item) and (self.spec.flow(item.dataset) or item.dataset in moving)
            ]
            for name in kept:
                if name not in fixed:
                    fixed[name] = self._fixed(name, folder, reference)
            flows.append(_over(flow, {name: fixed[name].name for name in kept}))
        return replace(self.spec, flows=tuple(flows)), [*sources, *fixed.values()]

    def bring(self, folder: Path, split: SplitPlan, number: int) -> None:
        """Bring one of the trial's portions of every input that arrives in portions."""
        for name in self._moving() & self.copies.keys():
            self.copies[name].bring(folder, name, split, number)

    def _moving(self) -> set[str]:
        return {item.dataset for flow in self.spec.flows for item in flow.inputs if not _keeps(item)}

    def _fixed(self, name: str, folder: Path, reference: Path) -> SourceSpec:
        """A dataset held fixed: a flow's target as the reference made it, or a source's rows as a whole."""
        upstream = self.spec.flow(name)
        if upstream is not None:
            target = FlowPaths.of(replace(self.spec, storage=str(reference / "storage")), upstream).target
            return SourceSpec(name + _FIXED, "delta", target, at=upstream.at)
        self.copies[name].whole(folder, name + _FIXED)
        return self.copies[name].source(folder, name + _FIXED, None)


class _Copier:
    """Copies sources as they are now, and notes what was taken of them."""

    def __init__(self, spec: PipelineSpec, scratch: Path, tables: DealtTables, rows: int | None, seed: int) -> None:
        self._spec, self._scratch, self._tables, self._rows, self._seed = spec, scratch, tables, rows, seed
        self._arriving = {item.dataset for flow in spec.flows for item in flow.inputs if item.read == "changes"}
        self._cuts = not _looks_at_files(spec.flows)
        self._in_order = in_order(spec)
        self.notes: list[str] = []

    def copied(self, source: SourceSpec) -> SourceCopy:
        """The source's own rows, or the first of them where they arrive and a sample is asked for."""
        most = self._rows if source.name in self._arriving else None
        if FORMATS[source.format].schema == "own":
            version = self._tables.version(source)
            kept = str(self._scratch / "kept" / source.name)
            count = self._tables.keep(source, version, kept, most)
            if most is not None:
                self.notes.append(f"{source.name}: {count} rows of version {version}")
            return TableCopy(source, kept, self._tables, self._in_order.get(source.name) or None)
        files = copy_of_files(source, self._scratch, cuts=self._cuts)
        files = replace(files, in_order=source.name in self._in_order)
        if most is not None:
            files, note = sampled(files, most, self._scratch, self._tables.count)
            self.notes.append(note)
        return files

    def generated(self, source: SourceSpec) -> SourceCopy:
        """Rows made up from the source's schema."""
        columns = ddl.parse(source.schema) if source.schema else self._tables.columns(source)
        rows = self._rows or ROWS
        self.notes.append(f"{source.name}: {rows} generated rows")
        flows = self._spec.flows
        literals = compared(with_literals(flow, self._spec.params_of(flow)) for flow in flows)
        values = GeneratedValues(self._seed, never_null(flows), literals)
        return generated(source, columns, self._scratch, rows=rows, values=values)


def in_order(spec: PipelineSpec) -> dict[str, str]:
    """The sources that state flows read, themselves or through other flows, and the watermark's column where it is the source's own."""
    columns: dict[str, str] = {}

    def follow(flow: FlowSpec) -> None:
        for flow_input in flow.inputs:
            upstream = spec.flow(flow_input.dataset)
            if flow_input.read != "changes":
                continue
            if upstream is not None:
                follow(upstream)
            elif flow.state is not None:
                columns[flow_input.dataset] = flow.state.of(flow_input.name).column
            else:
                columns.setdefault(flow_input.dataset, "")

    for flow in spec.flows:
        if flow.state is not None:
            follow(flow)
    return columns


def _obstacle(source: SourceSpec, *, generated: bool) -> Diagnostic | None:
    """Why a source's rows cannot be brought in another order; None where they can."""
    source_format = FORMATS.get(source.format)
    replays = source_format is not None and source_format.replays
    is_table = replays and source_format is not None and source_format.schema == "own"
    if generated and (source.schema or is_table):
        return None
    hint = "say --generated, to make rows up from its schema" if source.schema and not generated else ""
    hint = hint or "leave out the flows that read it: --select the others"
    message = f"source '{source.name}' cannot be verified: a {source.format} source does not give its rows again, in another order"
    if generated:
        message = f"rows of source '{source.name}' cannot be generated: its schema is not known"
    elif is_table and starts(source.start_ms, source.start_version):
        message = f"source '{source.name}' cannot be verified: a table with a start_at has rows that do not count, and does not tell them from the others"
        hint = "say --generated, to make rows up from its columns"
    elif replays:
        return None
    return Diagnostic("E274", message, source.at, hint)


def _keeps(flow_input: InputSpec) -> bool:
    """Whether a flow keeps what it has read of an input that has changed since."""
    return flow_input.read == "snapshot" and flow_input.on_change != "recompute"


def _over(flow: FlowSpec, names: dict[str, str]) -> FlowSpec:
    """The flow reading other datasets under the names that its transform knows."""
    if not names:
        return flow

    def other(inputs: Iterable[InputSpec]) -> tuple[InputSpec, ...]:
        return tuple(
            replace(flow_input, dataset=names[flow_input.dataset], known_as=flow_input.name)
            if flow_input.dataset in names
            else flow_input
            for flow_input in inputs
        )

    views = tuple(replace(view, inputs=other(view.inputs), reads=other(view.reads)) for view in flow.views)
    return replace(flow, inputs=other(flow.inputs), reads=other(flow.reads), views=views)


def _looks_at_files(flows: Iterable[FlowSpec]) -> bool:
    """Whether a transform may see which file a row comes from: then files keep their names, and are never cut."""
    flows = tuple(flows)
    if any(file_columns.metadata_inputs(flow) for flow in flows):
        return True
    transforms = [part.transform for flow in flows for part in (*flow.views, flow)]
    texts = [transform.text for transform in transforms if isinstance(transform, SqlTransform)]
    python = [transform for transform in transforms if isinstance(transform, PythonTransform)]
    texts += [Path(transform.file).read_text(encoding="utf-8") for transform in python]
    return any("_metadata" in text for text in texts)
