"""`merge`: one row a key, the one with the greatest sequence; of equal sequences the greater whole row.

Being a maximum, the result does not depend on the order or the number of times in which rows arrive. Where the target alone
does not tell which row was the latest of a key (a deleted key, columns that are not stored), the table `state/<pipeline>/<flow>`
keeps the latest rows, and is committed before the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.commits.commit import committed_epoch, stamped
from etl.engine.commits.create import create, replace_side_table
from etl.engine.commits.epoch_commits import TargetCommit
from etl.engine.commits.replacement import replace_groups
from etl.engine.frames.identifiers import assigned, listed, table
from etl.engine.frames.identifiers import columns as columns_of
from etl.engine.frames.latest import latest_per_key, zeros_apart
from etl.engine.frames.semi_join import rows_with
from etl.engine.frames.tally import Tally
from etl.engine.output import Groups
from etl.engine.session.views import name_frame
from etl.engine.sinks.columns import refuse_unknown_columns

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.config.spec import SinkSpec
    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces

_DELETED = "_etl_deleted"
_SOURCE, _STATE = "_etl_latest", "_etl_state"


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """The latest row of each key among `rows` and what was there. The target's commit returns the rows inserted, updated or deleted."""
    sink = job.flow.sink
    refuse_unknown_columns(job, rows)
    left_out = {name.lower() for name in sink.except_columns}
    stored = tuple(name for name in rows.columns if name.lower() not in left_out)
    # Of state there is one result a key: the newest, whatever its values are.
    best = rows if job.traits.keeps_state else latest_per_key(rows, sink, sink.keys)
    has_state_table = bool(sink.delete_when or sink.except_columns)
    if job.reads_inputs_whole or isinstance(replaces, Groups):
        # Every row of the affected keys is here, so these rows alone decide, and nothing that state holds counts.
        living = best.filter(~_deleted(sink)).select(*columns_of(stored))
        if isinstance(replaces, Groups):
            return _KeysReplaced(
                job, session, best if has_state_table and not job.reads_inputs_whole else None, living, replaces, stamp
            )
        return TargetCommit(partial(_replace, job, session, living, stamp))
    if not has_state_table:
        if replaces == "all":
            return TargetCommit(partial(_replace, job, session, best.select(*columns_of(stored)), stamp))
        return TargetCommit(partial(_merge_greatest, job, session, best, stamp))
    if replaces == "nothing":
        best = latest_per_key(best.unionByName(_read_state(job, session, best, rows.columns)), sink, sink.keys)
    decided = best.withColumn(_DELETED, _deleted(sink)).persist()
    return _Decided(job, session, decided, stored, stamp, first=replaces == "all")


@dataclass(frozen=True, slots=True)
class _KeysReplaced:
    """The commits of keys of which every row is at hand.

    Attributes:
        state_rows: the latest row of each key, deleted ones among them; None where the flow has no state table, or its inputs are read whole.
        living: the target's columns of those that are not deleted.
        keys: the keys whose rows they replace.
    """

    job: Job
    session: SparkSession
    state_rows: DataFrame | None
    living: DataFrame
    keys: Groups
    stamp: Provenance

    def commit_state(self) -> None:
        # Rows that live are kept as well: whenever this process dies, state lacks no key.
        if self.state_rows is not None:
            replace_groups(self.session, self.job.paths.state, self.state_rows, self.keys, self.stamp.for_side_tables)

    def commit_target(self) -> int:
        rows = self.living.persist()
        try:
            count = rows.count()
            replace_groups(self.session, self.job.paths.target, rows, self.keys, self.stamp)
        finally:
            rows.unpersist()
        return count

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Decided:
    """The commits of rows that were compared with what state held of their keys.

    Attributes:
        latest: the latest row of each key: the transform's columns and `_etl_deleted BOOLEAN`, kept in memory.
        stored: the columns that the target has.
        first: whether they replace all that was there.
    """

    job: Job
    session: SparkSession
    latest: DataFrame
    stored: tuple[str, ...]
    stamp: Provenance
    first: bool

    def commit_state(self) -> None:
        _write_state(self.job, self.session, self.latest, self.stamp, first=self.first)

    def commit_target(self) -> int:
        if self.first:
            living = self.latest.filter(~F.col(_DELETED)).select(*columns_of(self.stored))
            return _replace(self.job, self.session, living, self.stamp)
        return _merge_decided(self.job, self.session, self.latest, self.stored, self.stamp)

    def close(self) -> None:
        self.latest.unpersist()


def _deleted(sink: SinkSpec) -> Column:
    """Whether a row deletes its key: `delete_when`, of which NULL is no."""
    return F.coalesce(F.expr(sink.delete_when), F.expr("false")) if sink.delete_when else F.expr("false")


def _read_state(job: Job, session: SparkSession, rows: DataFrame, columns: list[str]) -> DataFrame:
    """The `columns` of the rows that won before and have a key of `rows`: from state, and from the target where that holds whole rows."""
    earlier = session.read.format("delta").load(job.paths.state).select(*columns_of(columns))
    if not job.flow.sink.except_columns:
        earlier = earlier.unionByName(session.read.format("delta").load(job.paths.target).select(*columns_of(columns)))
    keys = columns_of(job.flow.sink.keys)
    return rows_with(earlier, keys, rows.select(*keys).distinct())


def _write_state(job: Job, session: SparkSession, best: DataFrame, stamp: Provenance, *, first: bool) -> None:
    """Commit to state what the target does not tell: deleted rows, or every row where columns are left out.

    `best`: the latest row of each key, with `_etl_deleted BOOLEAN`. `first`: they replace all that was there.
    """
    committed = committed_epoch(job.paths.state, stamp)
    if committed is not None and committed >= stamp.epoch:
        return  # an attempt that died before the target came so far
    kept = F.expr("true") if job.flow.sink.except_columns else F.col(_DELETED)
    if first:
        replace_side_table(job, session, job.paths.state, best.filter(kept).drop(_DELETED), stamp)
        return
    name_frame(best.withColumn("_etl_kept", kept), _STATE)
    names = [name for name in best.columns if name != _DELETED]
    with stamped(session, stamp, job.paths.state):
        session.sql(
            f"MERGE INTO {table(job.paths.state)} t USING {_STATE} s ON {_same_key(job.flow.sink)}"  # names are quoted
            f" WHEN MATCHED AND NOT s._etl_kept THEN DELETE"
            f" WHEN MATCHED THEN UPDATE SET {assigned(names)}"
            f" WHEN NOT MATCHED AND s._etl_kept THEN INSERT ({listed(names)}) VALUES ({listed(names, 's.')})"
        ).collect()


def _replace(job: Job, session: SparkSession, rows: DataFrame, stamp: Provenance) -> int:
    """Replace the target by `rows`; how many they are."""
    tally = Tally(rows, [F.count(F.lit(1)).alias("rows")])
    create(job, session, tally.frame, stamp)
    return tally.result()["rows"]


def _merge_greatest(job: Job, session: SparkSession, best: DataFrame, stamp: Provenance) -> int:
    """Merge rows, one a key, of which each takes the place of a lesser one; how many rows of the target changed."""
    sink, names = job.flow.sink, best.columns
    name_frame(best, _SOURCE)
    order = [*sink.sequence_by, *names]
    greater = " > ".join(
        f"struct({', '.join([listed(order, row), *zeros_apart(best.schema, row)])})" for row in ("s.", "t.")
    )
    return _merge(
        job,
        session,
        stamp,
        f"WHEN MATCHED AND {greater} THEN UPDATE SET {assigned(names)}"
        f" WHEN NOT MATCHED THEN INSERT ({listed(names)}) VALUES ({listed(names, 's.')})",
    )


def _merge_decided(job: Job, session: SparkSession, best: DataFrame, stored: tuple[str, ...], stamp: Provenance) -> int:
    """Merge rows with `_etl_deleted BOOLEAN`, the latest of their keys; how many rows of the target changed."""
    name_frame(best, _SOURCE)
    schema = best.select(*columns_of(stored)).schema
    pairs = [(f"s.{quoted(name)}", f"t.{quoted(name)}") for name in stored]
    pairs += zip(zeros_apart(schema, "s."), zeros_apart(schema, "t."), strict=True)
    differs = " OR ".join(f"NOT ({new} <=> {old})" for new, old in pairs)
    return _merge(
        job,
        session,
        stamp,
        f"WHEN MATCHED AND s.{_DELETED} THEN DELETE"
        f" WHEN MATCHED AND ({differs}) THEN UPDATE SET {assigned(stored)}"
        f" WHEN NOT MATCHED AND NOT s.{_DELETED} THEN INSERT ({listed(stored)}) VALUES ({listed(stored, 's.')})",
    )


def _merge(job: Job, session: SparkSession, stamp: Provenance, clauses: str) -> int:
    """Merge the view `_etl_latest` into the target by its keys; how many rows of the target changed."""
    with stamped(session, stamp, job.paths.target):
        metrics = session.sql(
            f"MERGE INTO {table(job.paths.target)} t USING {_SOURCE} s ON {_same_key(job.flow.sink)} {clauses}"  # names are quoted
        ).first()
    return int(metrics["num_affected_rows"]) if metrics is not None else 0


def _same_key(sink: SinkSpec) -> str:
    return " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in sink.keys)
