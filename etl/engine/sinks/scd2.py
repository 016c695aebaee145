"""`scd2`: for each key the versions it went through, each with `valid_from`, `valid_to` (exclusive, null: now) and `is_current`.

An observation is the row of a key at one value of the first `sequence_by` column; of several, the greatest whole sequence wins, then
the greater row. The history is a function of the observations alone, so their order of arrival does not matter. What has
collapsed in the target cannot be rebuilt from it, so `state/<pipeline>/<flow>` holds every observation, and is committed first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Diagnostic
from etl.config.schema.identifiers import VERSION_COLUMNS, quoted
from etl.engine.commits.commit import committed_epoch, stamped
from etl.engine.commits.create import create, replace_side_table
from etl.engine.commits.replacement import replace_groups
from etl.engine.frames.identifiers import assigned, columns, listed, table
from etl.engine.frames.latest import latest_per_key, zeros_apart
from etl.engine.frames.semi_join import rows_with
from etl.engine.output import Groups
from etl.engine.session.views import name_frame
from etl.engine.sinks.columns import refuse_unknown_columns
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.config.spec import SinkSpec
    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces

_NEW = "_etl_observations"
_START, _END = "_etl_start", "_etl_end"


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """The observations among `rows`, and the histories that they make of their keys.

    The target's commit returns the rows that became observations; the others were the same, or lost to a greater one.
    """
    refuse_unknown_columns(job, rows)
    _refuse_added(job, rows)
    sink = job.flow.sink
    return _Histories(
        job, session, latest_per_key(rows, sink, (*sink.keys, sink.sequence_by[0])).persist(), replaces, stamp
    )


class _Histories:
    """The commits of an epoch: its observations, and the versions that they make of their keys."""

    def __init__(
        self, job: Job, session: SparkSession, observations: DataFrame, replaces: Replaces, stamp: Provenance
    ) -> None:
        self._job, self._session, self._replaces, self._stamp = job, session, replaces, stamp
        self._kept = [observations]
        self._observations = observations
        self._count = 0

    def commit_state(self) -> None:
        job, session, replaces, keys = self._job, self._session, self._replaces, self._job.flow.sink.keys
        self._count = self._observations.count()
        if not job.reads_inputs_whole and isinstance(replaces, Groups):
            replace_groups(session, job.paths.state, self._observations, replaces, self._stamp.for_side_tables)
        elif not job.reads_inputs_whole:
            _write_state(job, session, self._observations, replaces, self._stamp)
        every = self._observations
        # Where all or whole keys are replaced, every observation of the affected keys is here.
        if replaces != "all" and not isinstance(replaces, Groups):
            affected = every.select(*columns(keys)).distinct().persist()
            self._kept.append(affected)
            observed = session.read.format("delta").load(job.paths.state)
            every = rows_with(observed, columns(keys), affected).select(*columns(every.columns))
            self._replaces = Groups(affected, keys)
        self._versions = history(every, job.flow.sink)

    def commit_target(self) -> int:
        if not isinstance(self._replaces, Groups):
            create(self._job, self._session, self._versions, self._stamp)
            return self._count
        versions = self._versions.persist()
        self._kept.append(versions)
        replace_groups(self._session, self._job.paths.target, versions, self._replaces, self._stamp)
        return self._count

    def close(self) -> None:
        for frame in reversed(self._kept):
            frame.unpersist()


def history(observations: DataFrame, sink: SinkSpec) -> DataFrame:
    """The versions in `observations`: one a key wherever a tracked column changes, ended where `delete_when` holds.

    `observations` have the transform's columns; the versions those less `except_columns`, `valid_from`, `valid_to` (exclusive, NULL: now)
    and `is_current BOOLEAN`.
    """
    since = sink.sequence_by[0]
    own = {name.lower() for name in (*sink.keys, *sink.sequence_by)}
    left_out = {name.lower() for name in sink.except_columns}
    stored = [name for name in observations.columns if name.lower() not in left_out]
    tracked = sink.track or [name for name in stored if name.lower() not in own]
    state = F.struct(*columns(tracked)) if tracked else F.expr("true")
    deleted = F.coalesce(F.expr(sink.delete_when), F.expr("false")) if sink.delete_when else F.expr("false")
    in_order = Window.partitionBy(*columns(sink.keys)).orderBy(*columns([since]))
    before = F.lag(F.struct(deleted.alias("deleted"), state.alias("state"))).over(in_order)
    lived = before.isNotNull() & ~before["deleted"]
    starts, ends = ~deleted & (~lived | ~before["state"].eqNullSafe(state)), deleted & lived
    turns = observations.withColumns({_START: starts, _END: ends}).filter(F.col(_START) | F.col(_END))
    until = F.lead(columns([since])[0]).over(in_order)
    versions = turns.withColumns({"valid_from": columns([since])[0], "valid_to": until}).filter(F.col(_START))
    return versions.withColumn("is_current", F.col("valid_to").isNull()).select(*columns(stored), *VERSION_COLUMNS)


def _write_state(job: Job, session: SparkSession, new: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    """Commit the observations `new` to state; of two for one key and time the greater stays."""
    committed = committed_epoch(job.paths.state, stamp)
    if committed is not None and committed >= stamp.epoch:
        return  # an attempt that died before the target came so far
    if replaces == "all":
        replace_side_table(job, session, job.paths.state, new, stamp)
        return
    sink = job.flow.sink
    name_frame(new, _NEW)
    same = " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in (*sink.keys, sink.sequence_by[0]))
    order = [*sink.sequence_by, *new.columns]
    greater = " > ".join(
        f"struct({', '.join([listed(order, row), *zeros_apart(new.schema, row)])})" for row in ("s.", "t.")
    )
    with stamped(session, stamp, job.paths.state):
        session.sql(
            f"MERGE INTO {table(job.paths.state)} t USING {_NEW} s ON {same}"  # names are quoted
            f" WHEN MATCHED AND {greater} THEN UPDATE SET {assigned(new.columns)}"
            f" WHEN NOT MATCHED THEN INSERT ({listed(new.columns)}) VALUES ({listed(new.columns, 's.')})"
        ).collect()


def _refuse_added(job: Job, rows: DataFrame) -> None:
    reserved = [name for name in rows.columns if name.lower() in VERSION_COLUMNS]
    if reserved:
        message = f"the transform of flow '{job.flow.name}' returns a column '{reserved[0]}', which scd2 adds by itself"
        raise ConfigurationError([Diagnostic("E345", message, job.flow.sink.at, "rename it, or leave it out")])
