"""One flow maintained, by who holds its lock: its tables compacted and vacuumed, its superseded generations removed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.engine.crash_points import Point, reach
from etl.engine.inspection.side_tables import interrupted, unfinished
from etl.engine.inspection.target_faults import committed_and_fault
from etl.engine.maintenance.readers import readers, with_readers
from etl.engine.maintenance.tables import Table, vacuumed
from etl.engine.metadata.delta_log import commits, last_stamp
from etl.engine.metadata.epoch_records import EpochRecords
from etl.engine.metadata.generations import forget_generation, generation_numbers, newest_opened, size_of_generation
from etl.engine.storage.layout import FlowPaths
from etl.planning.maintenance import FEWEST, Done, Ended, FlowMaintenance, Needs, superseded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.planning.maintenance import LoggedFiles
    from etl.planning.plan import Committed

    Neighbours = Callable[[], tuple[tuple[PipelineSpec, ...], tuple[str, ...]]]
    """The other pipelines of the project, and the names of those that cannot be read."""


def tables_of(paths: FlowPaths, flow: FlowSpec) -> tuple[Table, ...]:
    """The tables that a flow may have."""
    size = flow.maintenance.target_file_size
    return (
        Table("target", paths.target, size, clusters=bool(flow.sink.cluster_by)),
        Table("quarantine", paths.quarantine, size),
        Table("state", paths.state, size),
    )


def obstacle(spec: PipelineSpec, flow: FlowSpec, paths: FlowPaths) -> tuple[Committed | None, str]:
    """The target's newest epoch, and why the flow must be left as it is: a run has first to end, or mend, what is there. Empty: it need not."""
    committed, fault = committed_and_fault(paths, spec.name, flow.stored_as)
    if fault is not None:
        return committed, fault.what
    if committed is None:
        return None, "nothing was committed yet"
    for table in (paths.quarantine, paths.state):
        stamp = last_stamp(table)
        if stamp is not None and (stamp.generation, stamp.epoch) > (committed.generation, committed.epoch):
            return committed, f"epoch {stamp.epoch} of generation {stamp.generation} was interrupted; a run ends it"
    part = unfinished(paths, committed, locked=True)
    if part is not None:
        return committed, interrupted(part).what
    opened = newest_opened(paths, committed=committed)
    if opened is not None and opened.number > committed.generation:
        return committed, f"generation {opened.number} was begun and has not reached the target; a run ends it"
    return committed, ""


@dataclass(slots=True)
class FlowUpkeep:
    """What is due for a flow, done or, in a `dry_run`, only told. Everything but `compact` needs no JVM.

    Attributes:
        session: Gives the flow's session, when there is something to rewrite.
        neighbours: Gives the other pipelines, when it is asked who reads the target.
        done: What was done, or would be, so far.
        kept: What could not be done, and why.
    """

    spec: PipelineSpec
    flow: FlowSpec
    paths: FlowPaths
    session: Callable[[], SparkSession]
    neighbours: Neighbours
    dry_run: bool = False
    done: list[Done] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def carry_out(self) -> FlowMaintenance:
        """Everything that is due. Raises what Spark or the storage fails of."""
        committed, reason = obstacle(self.spec, self.flow, self.paths)
        if committed is None or reason:
            return FlowMaintenance(self.flow.name, "skipped", reason=reason)
        tables = [(table, logged) for table in self._tables() if (logged := table.logged()) is not None]
        if not tables or tables[0][0].role != "target":
            reason = "its log was cleaned, and its checkpoint cannot be read without Spark"
            return FlowMaintenance(self.flow.name, "skipped", reason=reason)
        before = after = tables[0][1]
        for table, logged in tables:
            known = self.compact(table, logged)
            after = known if table.role == "target" else after
            self.vacuum(table, known)
        self.clean_up(committed)
        reach(Point.MAINTAINED)
        won = sum(
            done.files - (done.into or 0) for done in self.done if done.place == "target" and done.into is not None
        )
        return FlowMaintenance(
            flow=self.flow.name,
            status="succeeded" if self.done else "unchanged",
            files_before=len(before.live),
            files_after=len(before.live) - won if self.dry_run else len(after.live),
            bytes_removed=sum(done.bytes for done in self.done if done.deed in ("vacuum", "cleanup")),
            version=after.version,
            done=tuple(self.done),
            reason="; ".join(self.kept),
        )

    def _tables(self) -> tuple[Table, ...]:
        return tables_of(self.paths, self.flow)

    def compact(self, table: Table, logged: LoggedFiles) -> LoggedFiles:
        """Rewrite a table's small files where that is worth it; its files as they are then."""
        deed, chosen = table.compaction(logged)
        if not chosen:
            return logged
        if self.dry_run:
            self.done.append(Done(deed, table.role, chosen.files, chosen.bytes, chosen.into))
            return logged
        done = table.compact(self.session(), deed, chosen)
        after = table.logged() or logged
        if done is not None and after.version > logged.version:
            new = len(after.live.keys() - logged.live.keys())
            self.done.append(replace(done, files=len(logged.live.keys() - after.live.keys()), into=new))
        return after

    def vacuum(self, table: Table, logged: LoggedFiles) -> None:
        """Remove what nothing needs of a table."""
        needs = Needs(int(self.flow.maintenance.keep * 1000))
        unheeded = table.unneeded(logged, needs)
        if not unheeded:
            return
        if table.role == "target":
            others, unread = self.neighbours()
            if unread:
                self.kept.append(f"old files stay: pipeline '{unread[0]}' has mistakes, so what it reads is not known")
                return
            needs = with_readers(needs, readers((self.spec, *others), table.path))
        files = table.unneeded(logged, needs)
        if len(files) < len(unheeded):
            why = (
                f"{needs.reader} has read up to version {needs.version}"
                if needs.version is not None
                else "a run of a flow that reads it is at work"
            )
            self.kept.append(f"{len(unheeded) - len(files)} old files of its {table.role} stay: {why}")
        if files:
            self.done.append(vacuumed(table, files) if self.dry_run else table.vacuum(files))

    def clean_up(self, committed: Committed) -> None:
        """Put the counts of old epochs together, and remove generations that were superseded longer ago than is kept."""
        records = EpochRecords(self.paths.generation(committed.generation))
        epochs = records.packable()
        if len(epochs) >= FEWEST:
            if not self.dry_run:
                records.pack_counts(epochs)
            self.done.append(Done("cleanup", "checkpoints", len(epochs), 0, into=1, detail="counts of epochs"))
        numbers = generation_numbers(self.paths)
        if len(numbers) < 2:  # noqa: PLR2004  # the one that the target holds
            return
        old = superseded(
            numbers,
            self._ended(),
            committed.rolled_back_upto,
            now_ms=int(time.time() * 1000),
            keep_ms=int(self.flow.maintenance.keep * 1000),
        )
        for number in old:
            remove = size_of_generation if self.dry_run else forget_generation
            files, size = remove(self.paths, number)
            self.done.append(Done("cleanup", "checkpoints", files, size, detail=f"generation {number}"))

    def _ended(self) -> Iterator[Ended]:
        for commit in commits(self.paths.target):
            if commit.stamp is not None:
                yield Ended(commit.stamp.generation, commit.timestamp_ms, commit.rolls_back)
