"""The bench on which rows are tried out: given to one flow, which then runs as it always does, in storage that is thrown away.

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
    """What a flow has made of the rows: its tables, or why it failed. A table that was not asked for is None."""

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
    """An input as it is tried: the source that stands for it, and the text of each arrival's file."""

    source: SourceSpec
    arrivals: tuple[str, ...]
    file: str | None = None  # the user's own, in their stead


LITTLE = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.databricks.delta.stats.collect": "false",
}
"""For a few rows compiling and re-planning a query costs more than it gives. The user's own settings are laid over these."""


class Bench:
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
        """Let go of a session of the user's, while nothing is tried; the next trial asks for it anew. One that was started here stays."""
        if self._sessions.give_back():
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
        place = self._place()
        inputs = self._inputs(spec, flow, given, place)
        derived = self._derived(spec, [flow], [item.source for item in inputs], place)
        rounds = max(1, *(len(item.arrivals) for item in inputs))
        for number in range(rounds):
            self._land(inputs, number)
            if mode == "batch" and number < rounds - 1:
                continue
            done = carry_out(derived, RunRequest(mode=mode))
            failure = done.flows[0].failure
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

    def _place(self) -> Path:
        with self._lock:
            self._count += 1
            place = self._scratch / str(self._count)
        place.mkdir()
        return place

    def _derived(
        self, spec: PipelineSpec, flows: Iterable[FlowSpec], sources: Iterable[SourceSpec], place: Path
    ) -> PipelineSpec:
        """The pipeline with these flows and sources only, writing into `place`; a failure is not tried again."""
        return replace(
            spec,
            storage=str(place / "storage"),
            sources=tuple(sources),
            flows=tuple(replace(flow, retry=RetrySpec(max_retries=0), trigger="available_now") for flow in flows),
            trial=True,
        )

    def _inputs(self, spec: PipelineSpec, flow: FlowSpec, given: Sequence[GivenSpec], place: Path) -> list[_Input]:
        by_name = {item.dataset: item for item in given}
        found: list[Diagnostic] = []
        inputs = []
        for item in flow.inputs:
            rows = by_name.get(item.dataset) or GivenSpec(item.dataset, at=item.at)
            inputs.append(self._input(spec, flow, item, rows, place, found))
        if found:
            raise ConfigurationError(found)
        return inputs

    def _input(
        self,
        spec: PipelineSpec,
        flow: FlowSpec,
        item: InputSpec,
        given: GivenSpec,
        place: Path,
        found: list[Diagnostic],
    ) -> _Input:
        declared = spec.source(item.dataset)
        columns = self._columns(spec, flow, item, given)
        kept = declared.on_malformed if declared is not None else "fail"
        source = SourceSpec(
            name=item.dataset,
            format="json",
            path=str(place / "given" / item.dataset),
            schema=schema(columns),
            on_malformed=kept,
            in_files=declared is not None and has_files(declared),
            at=declared.at if declared is not None else item.at,
        )
        if given.file is not None:
            return _Input(self._of_file(source, declared, given.file), (), given.file)
        texts = []
        for arrival in given.arrivals:
            values, wrong = checked(arrival, columns, reading(flow.timezone), f"a row of '{item.name}'")
            found += wrong or unwritable(values, columns, item.name, given.at)
            if not found:
                lines = (
                    {column.name: as_json(row.get(column.name), column.shape) for column in columns} for row in values
                )
                texts.append("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
        return _Input(source, tuple(texts))

    def _of_file(self, source: SourceSpec, declared: SourceSpec | None, file: str) -> SourceSpec:
        """A file in the format of the source it stands for is read as that source's are, malformed rows among them."""
        kind = FILES[Path(file).suffix]
        same = declared is not None and declared.format == kind
        options = declared.options if declared is not None and same else (("header", "true"),) if kind == "csv" else ()
        return replace(source, format=kind, options=options, rate_limit=RateLimitSpec())

    def _land(self, inputs: Iterable[_Input], number: int) -> None:
        """Bring the files of one arrival; an arrival without rows brings none."""
        for item in inputs:
            folder = Path(item.source.path)
            folder.mkdir(parents=True, exist_ok=True)
            if item.file is not None and number == 0:
                shutil.copy(item.file, folder)
            if number < len(item.arrivals) and item.arrivals[number]:
                (folder / f"{number}.json").write_text(item.arrivals[number], encoding="utf-8")

    def _columns(self, spec: PipelineSpec, flow: FlowSpec, item: InputSpec, given: GivenSpec) -> tuple[Column, ...]:
        """The columns of an input: those its source says, those its table has, or those of the given rows."""
        declared = spec.source(item.dataset)
        if declared is not None and declared.schema:
            return ddl.parse(declared.schema)
        known = self._stored(declared) if declared is not None else self._of_flow(spec, flow, item.dataset)
        if known is None and given.file is not None and given.file.endswith(".parquet"):
            known = self._tables().columns("parquet", given.file)
        if known is None:
            rows: list[Written] = [row for arrival in given.arrivals for row in arrival]
            known = guessed(rows)
        if not known:
            message = f"the columns of '{item.name}' are not known: its table is not there yet"
            hint = f"give at least one whole row of '{item.name}'"
            raise ConfigurationError([Diagnostic("E273", message, given.at, hint)])
        return known

    def _stored(self, source: SourceSpec) -> tuple[Column, ...] | None:
        """The columns of a table outside; None where it is not there, or only a catalog knows where."""
        if source.path and place(source.path, "_delta_log").is_dir():
            return self._tables().columns("delta", source.path)
        return None

    def _of_flow(self, spec: PipelineSpec, reader: FlowSpec, name: str) -> tuple[Column, ...] | None:
        """The columns of a flow's target, found by running it and all before it over nothing; None where a source's are not known."""
        key = (spec.file, spec.environment, spec.params, spec.flows)
        with self._looking:
            known = self._targets.setdefault(key, {})
            if name not in known:
                tested = {test.flow for test in spec.tests} | {reader.name}
                wanted = {item.dataset for flow in spec.flows if flow.name in tested for item in flow.inputs}
                known |= self._run_over_nothing(spec, wanted)
            return known.get(name)

    def _run_over_nothing(self, spec: PipelineSpec, wanted: set[str]) -> dict[str, tuple[Column, ...]]:
        graph = Graph.of(spec)
        flows = {name for name in wanted if spec.flow(name)}
        flows |= {parent for name in flows for parent in graph.upstream(name)}
        place = self._place()
        sources: list[SourceSpec] = []
        for name in {item.dataset for flow in spec.flows if flow.name in flows for item in flow.inputs}:
            source = spec.source(name)
            if source is not None and (columns := ddl.parse(source.schema) if source.schema else self._stored(source)):
                empty = place / "given" / name
                empty.mkdir(parents=True)
                sources.append(SourceSpec(name, "json", str(empty), schema(columns), at=source.at))
        there = {source.name for source in sources}
        possible: list[FlowSpec] = []
        for flow in (spec.flow(name) for name in graph.order if name in flows):
            if flow is not None and all(item.dataset in there for item in flow.inputs):
                possible.append(flow)
                there.add(flow.name)
        if not possible:
            return {}
        derived = self._derived(spec, possible, sources, place)
        for result in run(derived, RunRequest(mode="batch")).flows:
            if result.failure is not None and result.flow in wanted:
                message = f"the columns of '{result.flow}' are not known: over empty inputs it fails: {result.failure.message}"
                at = next(flow.at for flow in possible if flow.name == result.flow)
                raise ConfigurationError([Diagnostic("E273", message, at, result.failure.hint)])
        paths = {flow.name: FlowPaths.of(derived, flow).target for flow in derived.flows}
        return {
            name: self._tables().columns("delta", path)
            for name, path in paths.items()
            if name in wanted and Path(path, "_delta_log").is_dir()
        }
