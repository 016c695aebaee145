"""What a name of a pipeline means to somebody who looks: a table of one of its flows, or a source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.masking import sensitive
from etl.config.views import readers
from etl.engine.inspection.int96 import tables_with_int96
from etl.engine.metadata.delta_log import last_committed, log_versions
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError, RunError

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec, PipelineSpec, SourceSpec

_TABLES = ("delta",)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Something with rows.

    Attributes:
        flow: The flow whose table it is, or one that reads the source: errors of Spark's are told as its.
        table: Where the Delta table lies; None of a source that is none.
        source: The source; None of a flow's table.
        hidden: The columns, in lower case, whose values no person should see.
        with_int96: Whether it is known that timestamps are stored as INT96; None where only its files tell.
    """

    name: str
    flow: FlowSpec
    table: str | None
    source: SourceSpec | None
    hidden: frozenset[str]
    with_int96: bool | None


def dataset_of(spec: PipelineSpec, name: str, *, quarantine: bool, version: int | None) -> Dataset:
    """The dataset that `name` means; `quarantine`: the quarantine of the flow of that name.

    Raises ConfigurationError (E250) where there is none, or none of which that can be asked, and RunError where nothing was written yet.
    """
    flow = spec.flow(name)
    if flow is not None:
        dataset = _of_flow(spec, flow, quarantine=quarantine)
    else:
        source = spec.source(name)
        if source is None:
            raise _unknown(spec, name)
        dataset = _of_source(spec, source)
        if quarantine:
            raise _no(f"'{name}' is a source, and only flows have a quarantine", f"the flows are: {_flows(spec)}")
    if version is not None and dataset.table is None:
        raise _no(f"'{name}' is no Delta table, so it has no versions", "leave the version out")
    versions = log_versions(dataset.table) if dataset.table is not None else []
    if dataset.table is not None and not versions:
        raise _nothing_written(spec, dataset, quarantine=quarantine)
    if version is not None and not 0 <= version <= versions[-1]:
        raise _no(f"there is no version {version} of '{name}'", f"the newest is {versions[-1]}")
    return dataset


def _of_flow(spec: PipelineSpec, flow: FlowSpec, *, quarantine: bool) -> Dataset:
    paths, hidden = FlowPaths.of(spec, flow), sensitive(flow)
    holding = tables_with_int96(paths, last_committed(paths.target))
    if quarantine:
        # The text of a malformed row may hold what its columns would.
        hidden = hidden | {"_etl_record"} if hidden else hidden
        return Dataset(flow.name, flow, paths.quarantine, None, hidden, "quarantine" in holding)
    return Dataset(flow.name, flow, paths.target, None, hidden, "target" in holding)


def _of_source(spec: PipelineSpec, source: SourceSpec) -> Dataset:
    flow = next(
        (flow for flow in spec.flows if any(item.dataset == source.name for item in flow.inputs)), spec.flows[0]
    )
    hidden = sensitive(source.flow) if source.flow is not None else frozenset()
    table = source.path if source.format in _TABLES and source.table is None else None
    return Dataset(source.name, flow, table, source, hidden, None)


def _nothing_written(spec: PipelineSpec, dataset: Dataset, *, quarantine: bool) -> RunError:
    if dataset.source is not None:
        return RunError(
            f"source '{dataset.name}': there is no Delta table", where=str(dataset.table), hint="correct its path"
        )
    if quarantine:
        return RunError(
            f"flow '{dataset.name}' has quarantined nothing yet", hint=f"etl history {spec.name} shows its runs"
        )
    hint = f"etl run {spec.name} writes it; etl preview {spec.name} {dataset.name} shows a sample of what that would be"
    return RunError(f"flow '{dataset.name}' has written nothing yet", hint=hint)


def _unknown(spec: PipelineSpec, name: str) -> ConfigurationError:
    within = readers(spec, name)
    if within:
        return _no(f"'{name}' is a view and stores no rows", f"show a flow that reads it: {', '.join(within)}")
    names = [*(flow.name for flow in spec.flows), *(source.name for source in spec.sources)]
    sources = ", ".join(source.name for source in spec.sources)
    hint = did_you_mean(name, names) or f"the flows are: {_flows(spec)}; the sources: {sources or 'none'}"
    return _no(f"there is no flow and no source '{name}' in pipeline '{spec.name}'", hint)


def _flows(spec: PipelineSpec) -> str:
    return ", ".join(flow.name for flow in spec.flows)


def _no(message: str, hint: str) -> ConfigurationError:
    return ConfigurationError([Diagnostic("E250", message, hint=hint)])
