"""A part of a target recomputed at the position that the target has: what a window of a backfill reads, and what it replaces.

The changes inputs are read exactly up to where the target's newest epoch ended, the snapshots as they stood when the backfill began.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame

from etl.config.schema.identifiers import VERSION_COLUMNS, quoted
from etl.engine.frames.identifiers import columns
from etl.engine.frames.latest import latest_per_key
from etl.engine.inspection.side_tables import interrupted, unfinished
from etl.engine.metadata.delta_log import commits, last_stamp, log_versions
from etl.engine.output import Output, Rows, Span
from etl.engine.sources.files import CORRUPT
from etl.engine.sources.source import open_source
from etl.engine.transform import expectations
from etl.engine.transform.affected import affected_groups
from etl.errors import FlowFailed, HistoryLost
from etl.planning.position import Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

    from etl.engine.frames.caches import Caches
    from etl.engine.job import Input, Job
    from etl.planning.backfill import Window
    from etl.planning.plan import Committed


@dataclass(frozen=True, slots=True)
class Part:
    """One window before its turn: the snapshots it reads, and what its commit will say of it."""

    column: str
    window: Window
    snapshots: Mapping[str, Pin]
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WindowRecomputation:
    """One window: what it reads, which column of the target bounds it, and what its commit says of it."""

    span: Span
    column: str
    window: Window
    entry: Mapping[str, Any]

    def part(self, job: Job, session: SparkSession, whole: Output, caches: Caches) -> Output:
        """Of the transform's rows over the whole inputs those that belong to the window, and what of the target they replace."""
        condition = self.window.condition(quoted(self.column))
        if job.strategy == "append":
            return Output(whole.rows.filter(condition), Rows(condition), {})
        keys = job.recomputed_by
        parts = [
            frame.select(*columns(keys))
            for frame in (self._held(job, session), *self._computed(job, session, whole.rows))
        ]
        found = affected_groups(reduce(DataFrame.unionByName, parts), keys, caches)
        rows = found.restrict(whole.rows, [quoted(name) for name in keys])
        return Output(rows, found.groups, {})

    def _held(self, job: Job, session: SparkSession) -> DataFrame:
        """The window's rows in the target. Their keys or groups may have left the window since."""
        return _as_it_is(session, job.paths.target).filter(self.window.condition(quoted(self.column)))

    def _computed(self, job: Job, session: SparkSession, rows: DataFrame) -> list[DataFrame]:
        """The rows that belong to the window now, those that count and those that are quarantined, and those quarantined before."""
        sink, column = job.flow.sink, self.column
        if job.strategy == "scd2" and column.lower() == VERSION_COLUMNS[0]:
            column = sink.sequence_by[0]  # which `valid_from` is
        condition = self.window.condition(quoted(column))
        rules = tuple(
            item for item in job.flow.rules if item.on_violation != "fail"
        )  # judged where the rows are written
        checked = expectations.check(rows, rules)
        good = checked.good
        if job.strategy == "merge":
            good = latest_per_key(good, sink, sink.keys)
        elif job.strategy == "scd2":
            good = latest_per_key(good, sink, (*sink.keys, sink.sequence_by[0]))
        frames = [good.filter(condition)]
        if checked.quarantines:
            frames.append(checked.quarantined.filter(condition))
            if log_versions(job.paths.quarantine):
                aside = _as_it_is(session, job.paths.quarantine).filter(f"{CORRUPT} IS NULL")
                frames.append(aside.filter(condition))
        return frames


def _as_it_is(session: SparkSession, path: str) -> DataFrame:
    """A table at the version it has: Spark recomputes what is cached of a table when the table is written to."""
    return session.read.format("delta").option("versionAsOf", str(log_versions(path)[-1])).load(path)


def recomputation(job: Job, committed: Committed, part: Part) -> WindowRecomputation:
    """A window with what it reads: the changes inputs as of `committed`; HistoryLost where that cannot be read."""
    return WindowRecomputation(span_at(job, committed, part.snapshots), part.column, part.window, part.entry)


def span_at(job: Job, committed: Committed, snapshots: Mapping[str, Pin]) -> Span:
    """The whole inputs, those read as changes as of `committed`; HistoryLost where that cannot be read."""
    pins = {
        item.name: _read(job, item, committed) if item in job.changes else snapshots[item.name] for item in job.inputs
    }
    return Span(None, dict(committed.to), pins)


def _read(job: Job, flow_input: Input, committed: Committed) -> Pin:
    position = committed.to[flow_input.name]
    if flow_input.source.format in ("delta", "table"):
        _must_be_whole(job, flow_input, position)
        table = open_source(flow_input.source).pinned(position)
        if dict(table.position) != dict(position):
            message = f"flow '{job.flow.name}': version {position['version']} of '{flow_input.name}', up to which it has read, can no longer be read"
            raise HistoryLost(message, hint="run the flow with --full-refresh instead")
        return table
    log = job.offset_log(flow_input)
    if log.has(committed.epoch):
        pin = open_source(flow_input.source).upto(log, committed.epoch)
    else:
        pin = Pin(position, job.generation.records.files(flow_input.name))
    if pin.position != position or len(pin.files) != position.get("files", 0):
        message = (
            f"flow '{job.flow.name}': which files of '{flow_input.name}' its target was made of is not known any more"
        )
        raise HistoryLost(message, hint="run the flow with --full-refresh instead")
    return pin


def _must_be_whole(job: Job, flow_input: Input, position: Mapping[str, Any]) -> None:
    """Refuse a table that cannot be read whole at the position, or whose rows a stream will bring a second time."""
    where = str(job.flow.at)
    if flow_input.source.start_ms is not None or flow_input.source.start_version is not None:
        message = f"flow '{job.flow.name}' cannot recompute a part of its target: '{flow_input.name}' is a table with a start_at, which cannot be read whole from there"
        raise FlowFailed(message, where=where, hint="run the flow with --full-refresh instead")
    if "within" in position:
        message = (
            f"flow '{job.flow.name}': its stream has stopped inside version {position['within']} of '{flow_input.name}'"
        )
        raise FlowFailed(message, where=where, hint="run the stream until it has read that version, then try again")


def must_be_settled(job: Job, committed: Committed, entry: Mapping[str, Any]) -> None:
    """FlowFailed where an epoch, or a part other than that of `entry`, died after it wrote quarantine or state, and before the target."""
    for table in (job.paths.quarantine, job.paths.state):
        stamp = last_stamp(table)
        if stamp is not None and (stamp.generation, stamp.epoch) > (committed.generation, committed.epoch):
            message = f"flow '{job.flow.name}': epoch {stamp.epoch} of generation {stamp.generation} was interrupted"
            raise FlowFailed(message, hint="run the flow, which finishes that epoch, then try again")
    died = unfinished(job.paths, committed, locked=True)
    if died is not None and not _ends(entry, died.backfill or {}):
        fault = interrupted(died)
        raise FlowFailed(f"flow '{job.flow.name}': {fault.what}", hint=fault.hint)


def _ends(entry: Mapping[str, Any], died: Mapping[str, Any]) -> bool:
    """Whether a part is of the same backfill, or a replay as the one that died: it recomputes at least as much."""
    if "replay" in died or "replay" in entry:
        return bool(died["id"] == entry["id"])
    return all(died.get(name) == entry.get(name) for name in ("column", "from", "to", "of"))


def begun(
    target: str, generation: int, column: str, windows: tuple[Window, ...]
) -> tuple[str, Mapping[str, Any], frozenset[int]] | None:
    """The newest backfill of just these windows: its id, its snapshots' positions and the windows that are committed."""
    newest: Mapping[str, Any] | None = None
    done: set[int] = set()
    bounds = {"column": column, "from": windows[0].start, "to": windows[-1].end, "of": len(windows)}
    for commit in commits(target, newest_first=True):
        if commit.stamp is None:
            continue
        if commit.stamp.generation != generation:
            break
        entry = commit.stamp.backfill
        if entry is None or any(entry.get(name) != value for name, value in bounds.items()):
            continue
        number = int(entry["number"])
        same = 1 <= number <= len(windows) and entry.get("window") == [
            windows[number - 1].start,
            windows[number - 1].end,
        ]
        if same and (newest is None or newest["id"] == entry["id"]):
            newest = newest or entry
            done.add(number)
    return None if newest is None else (str(newest["id"]), newest.get("snapshots", {}), frozenset(done))


def pinned_again(job: Job, positions: Mapping[str, Any]) -> dict[str, Pin] | None:
    """The snapshots at positions that a backfill has recorded; None where one of them cannot be read as it was."""
    pins: dict[str, Pin] = {}
    for flow_input in job.inputs:
        if flow_input in job.changes:
            continue
        if flow_input.name not in positions:
            return None
        pin = open_source(flow_input.source).pinned(positions[flow_input.name])
        if dict(pin.position) != dict(positions[flow_input.name]):
            return None
        pins[flow_input.name] = pin
    return pins


def pinned_now(job: Job) -> dict[str, Pin]:
    """The snapshots as they stand."""
    return {item.name: open_source(item.source).latest() for item in job.inputs if item not in job.changes}


def entry_of(
    backfill_id: str, column: str, window: Window, windows: tuple[Window, ...], snapshots: Mapping[str, Pin]
) -> dict[str, Any]:
    """What a window's commit says of it."""
    return {
        "id": backfill_id,
        "column": column,
        "from": windows[0].start,
        "to": windows[-1].end,
        "window": [window.start, window.end],
        "number": window.number,
        "of": window.of,
        "snapshots": {name: dict(pin.position) for name, pin in snapshots.items()},
    }
