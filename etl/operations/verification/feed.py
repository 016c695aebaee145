"""All inputs of a verification: which of them arrive bit by bit, which are held fixed, and which cannot be verified."""

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
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError
from etl.operations.verification.generated import ROWS, generated, never_null, without_fail
from etl.operations.verification.inputs import TableStock, of_files, sampled
from etl.operations.verification.literals import compared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.config.spec import FlowSpec, InputSpec, PipelineSpec
    from etl.engine.session.shared import Sessions
    from etl.engine.tables.portions import DealtTables
    from etl.operations.verification.inputs import Deal, Stock

_FIXED = "__fixed"


@dataclass(frozen=True, slots=True)
class Feed:
    """The inputs as they stood when the verification began, and the pipeline that reads them."""

    spec: PipelineSpec
    scratch: Path
    stocks: dict[str, Stock]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, spec: PipelineSpec, sessions: Sessions, scratch: Path, *, rows: int | None, generated: bool, seed: int
    ) -> Feed:
        """The feed of a pipeline of which only the flows to verify are left.

        Raises ConfigurationError with every source that cannot be verified, and EnvironmentProblem where one is not there.
        """
        read = {item.dataset for flow in spec.flows for item in flow.inputs}
        sources = [source for source in spec.sources if source.name in read]
        wrong = [item for source in sources if (item := _obstacle(source, generated=generated)) is not None]
        if wrong:
            raise ConfigurationError(wrong)
        from etl.engine.sources.catalog import located  # noqa: PLC0415  # pyspark only for a verification that can be done
        from etl.engine.tables.portions import DealtTables  # noqa: PLC0415

        if any(source.table for source in sources):
            spec = located(spec, read, sessions.get().flow_session(spec.run.timezone))
        tables = DealtTables(sessions.get())
        if generated:
            spec = replace(spec, flows=tuple(map(without_fail, spec.flows)))
        filling = _Filling(spec, scratch, tables, rows, seed)
        stocks = {
            source.name: filling.made_up(source) if generated else filling.held(source)
            for source in spec.sources
            if source.name in read
        }
        return cls(spec, scratch, stocks, tuple(filling.notes))

    def empty(self) -> None:
        """Take away the files of the trial before."""
        shutil.rmtree(self.scratch / "landing", ignore_errors=True)

    def whole(self, place: Path) -> list[SourceSpec]:
        """Everything at once, as it is."""
        for name, stock in self.stocks.items():
            stock.whole(place, name)
        return [stock.source(place, name, None) for name, stock in self.stocks.items()]

    def mixed(self, place: Path, seed: int) -> list[SourceSpec]:
        """Everything at once, in another order."""
        for name, stock in self.stocks.items():
            stock.mixed(place, name, seed)
        return [stock.source(place, name, None) for name, stock in self.stocks.items()]

    def trial(self, place: Path, deal: Deal, truth: Path) -> tuple[PipelineSpec, list[SourceSpec]]:
        """The pipeline and its sources for a trial, nothing of them there yet but what is held fixed.

        Modes are equal at equal snapshots, so a flow that keeps what it has read of a table that moves gets that table as the
        batch over everything has seen it.
        """
        moving = self._moving()
        sources = [stock.source(place, name, deal if name in moving else None) for name, stock in self.stocks.items()]
        for name in self.stocks.keys() - moving:
            self.stocks[name].whole(place, name)
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
                    fixed[name] = self._fixed(name, place, truth)
            flows.append(_over(flow, {name: fixed[name].name for name in kept}))
        return replace(self.spec, flows=tuple(flows)), [*sources, *fixed.values()]

    def arrival(self, place: Path, deal: Deal, number: int) -> None:
        """Bring what comes next."""
        for name in self._moving() & self.stocks.keys():
            self.stocks[name].arrival(place, name, deal, number)

    def _moving(self) -> set[str]:
        return {item.dataset for flow in self.spec.flows for item in flow.inputs if not _keeps(item)}

    def _fixed(self, name: str, place: Path, truth: Path) -> SourceSpec:
        upstream = self.spec.flow(name)
        if upstream is not None:
            target = FlowPaths.of(replace(self.spec, storage=str(truth / "storage")), upstream).target
            return SourceSpec(name + _FIXED, "delta", target, at=upstream.at)
        self.stocks[name].whole(place, name + _FIXED)
        return self.stocks[name].source(place, name + _FIXED, None)


class _Filling:
    """Takes stock of sources; what was taken of them is noted."""

    def __init__(self, spec: PipelineSpec, scratch: Path, tables: DealtTables, rows: int | None, seed: int) -> None:
        self._spec, self._scratch, self._tables, self._rows, self._seed = spec, scratch, tables, rows, seed
        self._arriving = {item.dataset for flow in spec.flows for item in flow.inputs if item.read == "changes"}
        self._cuts = not _looks_at_files(spec.flows)
        self._in_order = in_order(spec)
        self.notes: list[str] = []

    def held(self, source: SourceSpec) -> Stock:
        """The source's own rows, or the first of them where they arrive and a sample is asked for."""
        most = self._rows if source.name in self._arriving else None
        if FORMATS[source.format].schema == "own":
            version = self._tables.version(source)
            kept = str(self._scratch / "kept" / source.name)
            count = self._tables.keep(source, version, kept, most)
            if most is not None:
                self.notes.append(f"{source.name}: {count} rows of version {version}")
            return TableStock(source, kept, self._tables, self._in_order.get(source.name) or None)
        stock = replace(of_files(source, self._scratch, cuts=self._cuts), in_order=source.name in self._in_order)
        if most is not None:
            stock, note = sampled(stock, most, self._scratch, self._tables.count)
            self.notes.append(note)
        return stock

    def made_up(self, source: SourceSpec) -> Stock:
        """Rows made up from the source's schema."""
        columns = ddl.parse(source.schema) if source.schema else self._tables.columns(source)
        rows = self._rows or ROWS
        self.notes.append(f"{source.name}: {rows} generated rows")
        needed = never_null(self._spec.flows)
        return generated(
            source,
            columns,
            self._scratch,
            rows=rows,
            seed=self._seed,
            never_null=needed,
            compared=compared(self._spec.flows),
        )


def in_order(spec: PipelineSpec) -> dict[str, str]:
    """The sources that state flows read, themselves or through other flows, and the watermark's column where it is the source's own."""
    found: dict[str, str] = {}

    def follow(flow: FlowSpec) -> None:
        for item in flow.inputs:
            upstream = spec.flow(item.dataset)
            if item.read != "changes":
                continue
            if upstream is not None:
                follow(upstream)
            elif flow.state is not None:
                found[item.dataset] = flow.state.of(item.name).column
            else:
                found.setdefault(item.dataset, "")

    for flow in spec.flows:
        if flow.state is not None:
            follow(flow)
    return found


def _obstacle(source: SourceSpec, *, generated: bool) -> Diagnostic | None:
    """Why a source's rows cannot be brought in another order; None where they can."""
    known = FORMATS.get(source.format)
    held = known is not None and known.replays
    if generated and (source.schema or (held and known is not None and known.schema == "own")):
        return None
    hint = "say --generated, to make rows up from its schema" if source.schema and not generated else ""
    hint = hint or "leave out the flows that read it: --select the others"
    message = f"source '{source.name}' cannot be verified: a {source.format} source does not give its rows again, in another order"
    if generated:
        message = f"rows of source '{source.name}' cannot be generated: its schema is not known"
    elif held and starts(source.start_ms, source.start_version) and known is not None and known.schema == "own":
        message = f"source '{source.name}' cannot be verified: a table with a start_at has rows that do not count, and does not tell them from the others"
        hint = "say --generated, to make rows up from its columns"
    elif held:
        return None
    return Diagnostic("E274", message, source.at, hint)


def _keeps(item: InputSpec) -> bool:
    return item.read == "snapshot" and item.on_change != "recompute"


def _over(flow: FlowSpec, names: dict[str, str]) -> FlowSpec:
    """The flow reading other datasets under the names that its transform knows."""
    if not names:
        return flow

    def other(items: Iterable[InputSpec]) -> tuple[InputSpec, ...]:
        return tuple(
            replace(item, dataset=names[item.dataset], known_as=item.name) if item.dataset in names else item
            for item in items
        )

    views = tuple(replace(view, inputs=other(view.inputs), reads=other(view.reads)) for view in flow.views)
    return replace(flow, inputs=other(flow.inputs), reads=other(flow.reads), views=views)


def _looks_at_files(flows: Iterable[FlowSpec]) -> bool:
    """Whether a transform may see which file a row comes from: then files keep their names, and are never cut."""
    flows = tuple(flows)
    if any(file_columns.metadata_inputs(flow) for flow in flows):
        return True
    transforms = [part.transform for flow in flows for part in (*flow.views, flow)]
    texts = [item.text for item in transforms if isinstance(item, SqlTransform)]
    texts += [Path(item.file).read_text(encoding="utf-8") for item in transforms if isinstance(item, PythonTransform)]
    return any("_metadata" in text for text in texts)
