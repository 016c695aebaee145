"""One table of a flow: what its log and its folder tell, small files rewritten together, and files that nothing needs removed."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.engine.crash_points import Point, reach
from etl.engine.metadata.delta_log import last_stamp, log_versions, schema_of
from etl.engine.metadata.table_files import is_whole, logged_files, remove_file, stored_files
from etl.planning.maintenance import Compaction, Done, clustering, compaction, removable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.planning.maintenance import Deed, LoggedFiles, Needs, StoredFile


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a flow writes.

    Attributes:
        role: `target`, `quarantine` or `state`.
        clusters: Whether its sink says `cluster_by`.
    """

    role: str
    path: str
    target_file_size: int
    clusters: bool = False

    def logged(self) -> LoggedFiles | None:
        """Its files, by its log and, where that was cleaned, its checkpoint; None where there is no table, or nobody can tell.

        Raises RunError where the log is damaged.
        """
        if is_whole(self.path):
            return logged_files(self.path)
        if not log_versions(self.path):
            return None
        from etl.engine.lookup.live_files import live_files  # noqa: PLC0415  # delta-rs only for a log that was cleaned

        alive = live_files(self.path)
        return None if alive is None else logged_files(self.path, alive=alive)

    def compaction(self, logged: LoggedFiles) -> tuple[Deed, Compaction]:
        """What is worth rewriting, and how that is called."""
        if logged.cluster_by or self.clusters:
            return "cluster", clustering(logged.live.values())
        return "compact", compaction(logged.live.values(), self.target_file_size)

    def compact(self, session: SparkSession, deed: Deed, chosen: Compaction) -> Done | None:
        """Rewrite what was chosen, in one commit that repeats the stamp of the last; None where nobody knows that stamp."""
        from etl.engine.commits.optimize import optimize  # noqa: PLC0415  # pyspark only where there is something to rewrite

        stamp = last_stamp(self.path)
        if stamp is None:
            return None
        reach(Point.COMPACTING)
        optimize(
            session,
            self.path,
            chosen,
            replace(stamp, maintenance=deed),
            target=self.target_file_size,
            schema=schema_of(self.path),
        )
        reach(Point.COMPACTED)
        return Done(deed, self.role, chosen.files, chosen.bytes, chosen.into)

    def unneeded(self, logged: LoggedFiles, needs: Needs) -> tuple[StoredFile, ...]:
        """The files in its folder that may go."""
        stored = stored_files(self.path, but=logged.live)
        return removable(stored, logged, needs, now_ms=int(time.time() * 1000))

    def vacuum(self, files: tuple[StoredFile, ...]) -> Done:
        """Remove files, the oldest first."""
        oldest_first = sorted(files, key=lambda file: (file.changed_ms, file.path))
        for file in oldest_first:
            remove_file(self.path, file.path)
            reach(Point.VACUUMING)
        return vacuumed(self, files)


def vacuumed(table: Table, files: tuple[StoredFile, ...]) -> Done:
    """What is told of files that were removed, or would be."""
    return Done("vacuum", table.role, len(files), sum(file.bytes for file in files))
