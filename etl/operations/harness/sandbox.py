"""A sandbox in which one flow is tried over given rows: it runs as it always does, in storage that is thrown away.

Nothing is imitated: the flow's inputs become sources of JSON files, everything else of it stays, and `run` carries it out. The
columns of another flow's target are known by running that flow, too, over nothing.
"""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.build.tests import FILES, checked, reading, unwritable
from etl.config.checks.file_columns import has_files
from etl.config.diagnostics import Diagnostic
from etl.config.schema import ddl
from etl.config.schema.rows import as_json, guessed
from etl.config.schema.types import schema
from etl.config.spec import GivenSpec, RateLimitSpec, RetrySpec, SinkSpec, SourceSpec
from etl.engine.session.shared import Sessions
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.places import place
from etl.engine.storage.scratch import remove, scratch_folder
from etl.errors import ConfigurationError
from etl.operations.run import run
from etl.planning.graph import Graph
from etl.planning.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from etl.config.schema.rows import Written
    from etl.config.schema.types import Column
    from etl.config.spec import FlowSpec, InputSpec, Mode, PipelineSpec, SparkSpec
    from etl.engine.session.start import SessionHandle
    from etl.engine.tables.rows import TableReader, TableRows
    from etl.planning.results import Failure, RunResult


@dataclass(frozen=True, slots=True)
class Tried:
    """What a flow has made of the rows: its tables, or why it failed.

    Attributes:
        target: None: the flow failed.
        quarantine: None: it was not asked for, or the flow has set nothing aside.
    """

    target: TableRows | None = None
    quarantine: TableRows | None = None
    failure: Failure | None = None


def by_itself(spec: PipelineSpec) -> PipelineSpec:
    """The pipeline as its file says it: each view a flow of its own that others read; no target known to a catalog."""
    flows = (
        replace(flow, inputs=flow.reads or flow.inputs, views=(), reads=(), sink=replace(flow.sink, table=None))
        for flow in spec.flows
    )
    return replace(spec, flows=(*flows, *(replace(view, sink=SinkSpec()) for view in spec.views)), views=())


@dataclass(frozen=True, slots=True)
class _Input:
    """An input as it is tried.

    Attributes:
        source: What stands for the input.
        arrivals: The text of each arrival's file.
        file: The user's own file, in the place of arrivals.
    """

    source: SourceSpec
    arrivals: tuple[str, ...]
    file: str | None = None


LITTLE = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.stats.collect": "false",
}
"""For a few rows compiling and re-planning a query costs more than it gives. The user's own settings are laid over these."""


class Sandbox:
    """One session and one folder for any number of trials, from any number of threads; `close` ends both."""

    def __init__(self, spec: SparkSpec) -> None:
        spec = replace(spec, conf=tuple({**LITTLE, **dict(spec.conf)}.items()))
        self._sessions = Sessions(spec, storage="", app_name="etl test", short=True)
        self._scratch = scratch_folder("twilight-test-")
        self._lock = threading.Lock()
        self._count = 0
        self._targets: dict[tuple[Any, ...], dict[str, tuple[Column, ...]]] = {}
        self._looking = threading.Lock()
        self._reader: TableReader | None = None

    def session(self) -> SessionHandle:
        """The session that all trials share; EnvironmentProblem where it cannot be had."""
        return self._sessions.get()

    def give_back(self) -> None:
        """Let go of a session of the user's, while nothing is tried; the next trial asks for it again. One that was started here stays."""
        if self._sessions.leave_external():
            self._reader = None

    def close(self) -> None:
        """End the session, if it was started here, and delete what was written."""
        self._sessions.close()
        remove(self._scratch)

    def tried(
        self,
        spec: PipelineSpec,
        flow: FlowSpec,
        given: Sequence[GivenSpec],
        mode: Mode,
        *,
        quarantine: bool,
        carry_out: Callable[[PipelineSpec, RunRequest], RunResult] = run,
    ) -> Tried:
        """Run a flow of `by_itself(spec)` over the given rows: a batch over all of them, or a stream that sees one arrival after the other.

        `carry_out` stands for `run` where a run is to be disturbed.
        Raises ConfigurationError where rows do not fit the columns of their input.
        """
        self.session()
        folder = self._new_folder()
        inputs = self._inputs(spec, flow, given, folder)
        derived = self._derived(spec, [flow], [item.source for item in inputs], folder)
        arrivals = max(1, *(len(item.arrivals) for item in inputs))
        for number in range(arrivals):
            self._land(inputs, number)
            if mode == "batch" and number < arrivals - 1:
                continue
            result = carry_out(derived, RunRequest(mode=mode))
            failure = result.flows[0].failure
            if failure is not None:
                return Tried(failure=failure)
        paths = FlowPaths.of(derived, derived.flows[0])
        return Tried(self._table(paths.target), self._table(paths.quarantine) if quarantine else None)

    def _table(self, path: str) -> TableRows | None:
        return self._tables().rows(path) if Path(path, "_delta_log").is_dir() else None

    def _tables(self) -> TableReader:
        from etl.engine.tables.rows import TableReader  # noqa: PLC0415  # pyspark only where there is a session

        with self._lock:
            if self._reader is None:
                self._reader = TableReader(self._sessions.get())
            return self._reader

    def _new_folder(self) -> Path:
        with self._lock:
            self._count += 1
            folder = self._scratch / str(self._count)
        folder.mkdir()
        return folder

    def _derived(
        self, spec: PipelineSpec, flows: Iterable[FlowSpec], sources: Iterable[SourceSpec], folder: Path
    ) -> PipelineSpec:
        """The pipeline with these flows and sources only, writing into `folder`; a failure is not tried again."""
        return replace(
            spec,
            storage=str(folder / "storage"),
            sources=tuple(sources),
            flows=tuple(replace(flow, retry=RetrySpec(max_retries=0), trigger="available_now") for flow in flows),
            trial=True,
        )

    def _inputs(self, spec: PipelineSpec, flow: FlowSpec, given: Sequence[GivenSpec], folder: Path) -> list[_Input]:
        """The flow's inputs; raises ConfigurationError with all mistakes where rows do not fit their columns."""
        by_name = {rows.dataset: rows for rows in given}
        mistakes: list[Diagnostic] = []
        inputs = []
        for declared in flow.inputs:
            rows = by_name.get(declared.dataset) or GivenSpec(declared.dataset, at=declared.at)
            columns = self._columns(spec, flow, declared, rows)
            source = self._source(spec, declared, columns, folder)
            if rows.file is not None:
                source = self._of_file(source, spec.source(declared.dataset), rows.file)
                inputs.append(_Input(source, (), rows.file))
                continue
            texts, wrong = _texts(flow, declared, rows, columns)
            inputs.append(_Input(source, texts))
            mistakes += wrong
        if mistakes:
            raise ConfigurationError(mistakes)
        return inputs

    def _source(
        self, spec: PipelineSpec, flow_input: InputSpec, columns: tuple[Column, ...], folder: Path
    ) -> SourceSpec:
        """The source that stands for an input: JSON files of those columns."""
        declared = spec.source(flow_input.dataset)
        return SourceSpec(
            name=flow_input.dataset,
            format="json",
            path=str(folder / "given" / flow_input.dataset),
            schema=schema(columns),
            on_malformed=declared.on_malformed if declared is not None else "fail",
            in_files=declared is not None and has_files(declared),
            at=declared.at if declared is not None else flow_input.at,
        )

    def _of_file(self, source: SourceSpec, declared: SourceSpec | None, file: str) -> SourceSpec:
        """A file in the format of the source it stands for is read as that source's are, malformed rows among them."""
        kind = FILES[Path(file).suffix]
        same = declared is not None and declared.format == kind
        options = declared.options if declared is not None and same else (("header", "true"),) if kind == "csv" else ()
        return replace(source, format=kind, options=options, rate_limit=RateLimitSpec())

    def _land(self, inputs: Iterable[_Input], number: int) -> None:
        """Bring the files of one arrival; an arrival without rows brings none."""
        for arriving in inputs:
            landing = Path(arriving.source.path)
            landing.mkdir(parents=True, exist_ok=True)
            if arriving.file is not None and number == 0:
                shutil.copy(arriving.file, landing)
            if number < len(arriving.arrivals) and arriving.arrivals[number]:
                (landing / f"{number}.json").write_text(arriving.arrivals[number], encoding="utf-8")

    def _columns(
        self, spec: PipelineSpec, flow: FlowSpec, flow_input: InputSpec, given: GivenSpec
    ) -> tuple[Column, ...]:
        """The columns of an input: those its source says, those its table has, or those of the given rows."""
        declared = spec.source(flow_input.dataset)
        if declared is not None and declared.schema:
            return ddl.parse(declared.schema)
        columns = self._stored(declared) if declared is not None else self._of_flow(spec, flow, flow_input.dataset)
        if columns is None and given.file is not None and given.file.endswith(".parquet"):
            columns = self._tables().columns("parquet", given.file)
        if columns is None:
            rows: list[Written] = [row for arrival in given.arrivals for row in arrival]
            columns = guessed(rows)
        if not columns:
            message = f"the columns of '{flow_input.name}' are not known: its table is not there yet"
            hint = f"give at least one whole row of '{flow_input.name}'"
            raise ConfigurationError([Diagnostic("E273", message, given.at, hint)])
        return columns

    def _stored(self, source: SourceSpec) -> tuple[Column, ...] | None:
        """The columns of a table outside; None where it is not there, or only a catalog knows where."""
        if source.path and place(source.path, "_delta_log").is_dir():
            return self._tables().columns("delta", source.path)
        return None

    def _of_flow(self, spec: PipelineSpec, reader: FlowSpec, name: str) -> tuple[Column, ...] | None:
        """The columns of a flow's target, from a run of it and all before it over nothing; None where a source's are not known."""
        key = (spec.file, spec.environment, spec.params, spec.flows)
        with self._looking:
            targets = self._targets.setdefault(key, {})
            if name not in targets:
                tested = {test.flow for test in spec.tests} | {reader.name}
                read = {item.dataset for flow in spec.flows if flow.name in tested for item in flow.inputs}
                targets |= self._run_over_nothing(spec, read)
            return targets.get(name)

    def _run_over_nothing(self, spec: PipelineSpec, datasets: set[str]) -> dict[str, tuple[Column, ...]]:
        """Flow → the columns of its target, of those among `datasets` that can be run; ConfigurationError where one fails."""
        graph = Graph.of(spec)
        names = {name for name in datasets if spec.flow(name)}
        names |= {parent for name in names for parent in graph.upstream(name)}
        flows = [flow for name in graph.order if name in names and (flow := spec.flow(name)) is not None]
        folder = self._new_folder()
        sources = self._empty_sources(spec, flows, folder)
        readable = {source.name for source in sources}
        possible: list[FlowSpec] = []
        for flow in flows:
            if all(item.dataset in readable for item in flow.inputs):
                possible.append(flow)
                readable.add(flow.name)
        if not possible:
            return {}
        derived = self._derived(spec, possible, sources, folder)
        for result in run(derived, RunRequest(mode="batch")).flows:
            if result.failure is not None and result.flow in datasets:
                message = f"the columns of '{result.flow}' are not known: over empty inputs it fails: {result.failure.message}"
                at = next(flow.at for flow in possible if flow.name == result.flow)
                raise ConfigurationError([Diagnostic("E273", message, at, result.failure.hint)])
        paths = {flow.name: FlowPaths.of(derived, flow).target for flow in derived.flows}
        return {
            name: self._tables().columns("delta", path)
            for name, path in paths.items()
            if name in datasets and Path(path, "_delta_log").is_dir()
        }

    def _empty_sources(self, spec: PipelineSpec, flows: Iterable[FlowSpec], folder: Path) -> list[SourceSpec]:
        """The sources of these flows without a row; those whose columns are not known are left out."""
        sources: list[SourceSpec] = []
        for name in {item.dataset for flow in flows for item in flow.inputs}:
            source = spec.source(name)
            if source is not None and (columns := ddl.parse(source.schema) if source.schema else self._stored(source)):
                empty = folder / "given" / name
                empty.mkdir(parents=True)
                sources.append(SourceSpec(name, "json", str(empty), schema(columns), at=source.at))
        return sources


def _texts(
    flow: FlowSpec, flow_input: InputSpec, given: GivenSpec, columns: tuple[Column, ...]
) -> tuple[tuple[str, ...], list[Diagnostic]]:
    """The given rows as JSON lines, a text for each arrival, and what is wrong with them."""
    texts: list[str] = []
    mistakes: list[Diagnostic] = []
    for arrival in given.arrivals:
        rows, wrong = checked(arrival, columns, reading(flow.timezone), f"a row of '{flow_input.name}'")
        mistakes += wrong or unwritable(rows, columns, flow_input.name, given.at)
        if not mistakes:
            lines = ({column.name: as_json(row.get(column.name), column.shape) for column in columns} for row in rows)
            texts.append("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return tuple(texts), mistakes
