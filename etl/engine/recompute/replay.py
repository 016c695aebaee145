"""The rows that a flow has quarantined, tried again at the position that its target has, with the snapshots as they stand.

A row in quarantine is no row of an input, so what is recomputed is told by columns: the groups, the keys, or, under `append`, all
columns that follow from the input's row alone. The rows of the target and of quarantine that share their values with a quarantined row
are replaced by what the transform makes of the same input rows now: nothing is lost or doubled, however often that is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from etl.config.diagnostics import Diagnostic
from etl.config.schema.identifiers import quoted
from etl.engine.analysis import classify, groups
from etl.engine.frames.identifiers import columns as columns_of
from etl.engine.metadata.delta_log import effective_history, log_versions
from etl.engine.output import Output, Span
from etl.engine.session.analysed_plan import analysed_plan
from etl.engine.sources.files import CORRUPT
from etl.engine.sources.source import open_source
from etl.engine.transform.affected import affected_groups
from etl.engine.transform.apply import apply
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance

_COMPARED = (
    "string",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "date",
    "timestamp",
    "timestamp_ntz",
    "boolean",
    "binary",
)


@dataclass(frozen=True, slots=True)
class QuarantineReplay:
    """One replay: what it reads, which rows it recomputes, and what its commit says of it.

    Attributes:
        columns: The output's, which tell the rows to recompute.
        versions: The quarantine's, in which those rows lie.
    """

    span: Span
    columns: tuple[str, ...]
    versions: tuple[int, ...]
    entry: Mapping[str, Any]

    def part(self, job: Job, session: SparkSession, whole: Output, caches: Caches) -> Output:
        """Of the transform's rows over the whole inputs those that share their columns with a quarantined row, and what they replace."""
        aside = [
            set_aside(session, job.paths.quarantine, version).select(*columns_of(self.columns))
            for version in self.versions
        ]
        found = affected_groups(reduce(DataFrame.unionByName, aside), self.columns, caches)
        rows = found.restrict(whole.rows, [quoted(name) for name in self.columns])
        return Output(rows, found.groups, {})


def set_aside(session: SparkSession, table: str, version: int, *, malformed: bool = False) -> DataFrame:
    """The rows of a version of a quarantine that broke an expectation, or those that did not parse."""
    rows = session.read.format("delta").option("versionAsOf", str(version)).load(table)
    return rows.filter(f"{CORRUPT} IS {'NOT ' if malformed else ''}NULL")


def versions_to_try(table: str, died: Provenance | None) -> tuple[int, ...]:
    """The versions of a quarantine whose rows are to be tried: what it holds, and what it held before a replay that died took rows out."""
    newest = log_versions(table)[-1]
    died_id = (died.backfill or {}).get("id") if died is not None else None
    first: int | None = None
    for commit in effective_history(table) if died_id is not None else ():
        replay_id = (commit.stamp.backfill or {}).get("id") if commit.stamp is not None else None
        if commit.stamp is not None and replay_id != died_id:
            break
        first = commit.version if replay_id == died_id else first
    return (newest,) if first is None else (newest, first - 1)


def telling_columns(job: Job, session: SparkSession) -> tuple[str, ...]:
    """The output's columns that tell which rows to recompute; ConfigurationError (E283) where no columns can."""
    flow = job.flow
    if flow.groups:
        return job.recomputed_by
    frames = {}
    for flow_input in job.inputs:
        empty = open_source(flow_input.source).empty(session)
        is_changes = flow_input in job.changes
        frames[flow_input.name] = (
            groups.mark_groups(flow_input.spec.name, empty, ())
            if is_changes
            else classify.mark_input(flow_input.spec.name, empty)
        )
    output = apply(job, session, frames)
    own = groups.own_columns(analysed_plan(output), job.streamed_input.spec.name)
    lower = {name.lower() for name in own}
    if job.strategy in ("merge", "scd2"):
        foreign = [name for name in flow.sink.keys if name.lower() not in lower]
        if not foreign:
            return flow.sink.keys
        why = f"its key '{foreign[0]}' may come of a snapshot, so that a row can have another key now than it had"
        raise refused(job, why)
    kinds = {field.name: field.dataType.simpleString() for field in output.schema.fields}
    telling = tuple(name for name in own if kinds[name] in _COMPARED or kinds[name].startswith("decimal"))
    if not telling:
        raise refused(job, f"none of its columns is one of '{job.streamed_input.name}' that can tell its rows apart")
    return telling


def refused(job: Job, why: str) -> ConfigurationError:
    """What is said where only a run can judge the rows again."""
    message = f"the quarantined rows of flow '{job.flow.name}' cannot be tried again by themselves: {why}"
    return ConfigurationError(
        [Diagnostic("E283", message, job.flow.at, "run it in batch mode, which judges every row again")]
    )


def entry_of(replay_id: str, columns: tuple[str, ...], span: Span, changes: frozenset[str]) -> dict[str, Any]:
    """What a replay's commits say of it."""
    return {
        "id": replay_id,
        "replay": list(columns),
        "number": 1,
        "of": 1,
        "snapshots": {name: dict(pin.position) for name, pin in span.pins.items() if name not in changes},
    }
