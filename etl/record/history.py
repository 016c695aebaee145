"""The history of runs: a file a run under `history/`, and what each run committed, from the tables' own logs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl.engine.metadata.delta_log import read_log
from etl.engine.storage.json_files import sweep_drafts, write_json
from etl.engine.storage.layout import FlowPaths, must_be_readable
from etl.engine.storage.places import place
from etl.markup import card, element, folded, line, quiet, status, table
from etl.record.runs import run as run_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.config.spec import PipelineSpec
    from etl.engine.storage.places import Place
    from etl.planning.backfill import BackfillResult
    from etl.planning.replay import ReplayResult
    from etl.planning.results import RunResult
    from etl.record.runs import RunRecord


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What one run committed to one flow's target, from the target's log.

    Attributes:
        committed_at_ms: When it made its last commit, in milliseconds since 1970.
        rows_written: As Delta counted them; None where it did not.
        mode: From `history/`; None where the run's file is not there any more.
        backfill: The range, where the run was a backfill: its commits belong to an epoch that was there before.
    """

    run: str
    flow: str
    generation: int
    first_epoch: int
    last_epoch: int
    first_version: int
    last_version: int
    committed_at_ms: int
    rows_written: int | None
    fingerprint: str
    mode: str | None
    backfill: str | None = None

    @property
    def run_id(self) -> str:
        """`run`, by the name that every document of a run has."""
        return self.run

    @property
    def rows_out(self) -> int | None:
        """`rows_written`, by the name that every document of a run has."""
        return self.rows_written

    @property
    def committed_at(self) -> str:
        """`committed_at_ms` as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.committed_at_ms / 1000, UTC).isoformat()


@dataclass(frozen=True, slots=True)
class History:
    """A pipeline's runs and what they committed, each newest first, to look at. `runs`: failed and unchanged ones among them."""

    pipeline: str
    entries: tuple[HistoryEntry, ...]
    runs: tuple[RunRecord, ...] = ()

    def __repr__(self) -> str:
        lines = [f"  {_at(entry)}  {entry.mode or '?'}  {entry.flow}: {_epochs(entry)}" for entry in self.entries]
        return "\n".join([f"History of {self.pipeline}", *(lines or ["  nothing was committed yet"])])

    def _repr_html_(self) -> str:
        head = ("committed (UTC)", "flow", "mode", "generation and epochs", "rows", "run")
        rows = [
            (_at(entry), element("b", entry.flow), entry.mode, _epochs(entry), entry.rows_written, quiet(entry.run))
            for entry in self.entries
        ]
        committed = table(head, rows) if rows else line("nothing was committed yet")
        told = ("began (UTC)", "mode", "status", "seconds", "flows", "run")
        runs = [
            (
                run.started_at[:19].replace("T", " "),
                run.mode,
                status(run.status),
                round(run.duration_s, 1),
                ", ".join(f"{flow.flow} {flow.status}" for flow in run.flows if flow.status != "succeeded"),
                quiet(run.run_id),
            )
            for run in self.runs
        ]
        return card(("History of", element("b", self.pipeline)), committed, folded("runs", table(told, runs)))


def _at(entry: HistoryEntry) -> str:
    return datetime.fromtimestamp(entry.committed_at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _epochs(entry: HistoryEntry) -> str:
    if entry.backfill is not None:
        return f"g{entry.generation} at epoch {entry.last_epoch}, {entry.backfill}"
    first, last = entry.first_epoch, entry.last_epoch
    return f"g{entry.generation} " + (f"epoch {first}" if first == last else f"epochs {first}–{last}")


def record(storage: str, result: RunResult | BackfillResult | ReplayResult) -> None:
    """Write a run's result into `history/`; no table depends on the file."""
    file = _file(storage, result.pipeline, result.run_id)
    write_json(file, asdict(result))
    sweep_drafts(file.parent)  # of runs that were killed while they wrote theirs


def history(spec: PipelineSpec, *, flows: Sequence[str] = ()) -> tuple[HistoryEntry, ...]:
    """Every run's commits, newest first, proved from the tables' own logs alone."""
    must_be_readable(spec)
    entries: list[HistoryEntry] = []
    for flow in spec.flows:
        if flows and flow.name not in flows:
            continue
        groups: dict[tuple[str, int], list[Any]] = {}
        for commit in read_log(FlowPaths.of(spec, flow).target):
            if commit.stamp is not None and not commit.is_maintenance:
                groups.setdefault((commit.stamp.run, commit.stamp.generation), []).append(commit)
        for (run, generation), commits in groups.items():
            metrics = [commit.metrics.get("numOutputRows") for commit in commits]
            rows = [int(count) for count in metrics if count is not None]
            recorded = run_record(spec.storage, spec.name, run)
            entries.append(
                HistoryEntry(
                    run=run,
                    flow=flow.name,
                    generation=generation,
                    first_epoch=commits[0].stamp.epoch,
                    last_epoch=commits[-1].stamp.epoch,
                    first_version=commits[0].version,
                    last_version=commits[-1].version,
                    committed_at_ms=commits[-1].timestamp_ms,
                    rows_written=sum(rows) if rows else None,
                    fingerprint=commits[-1].stamp.fingerprint,
                    mode=recorded.mode if recorded is not None else _mode(commits[-1].stamp.backfill),
                    backfill=_range(commits[-1].stamp.backfill),
                )
            )
    return tuple(sorted(entries, key=lambda entry: entry.committed_at_ms, reverse=True))


def _mode(backfill: Mapping[str, Any] | None) -> str | None:
    return None if backfill is None else "replay" if "replay" in backfill else "backfill"


def _range(backfill: Mapping[str, Any] | None) -> str | None:
    if backfill is None or "replay" in backfill:
        return None if backfill is None else "its quarantine replayed"
    return f"{backfill['from']} ≤ {backfill['column']} < {backfill['to']}"


def _file(storage: str, pipeline: str, run_id: str) -> Place:
    return place(storage, "history", pipeline, f"{run_id}.json")
