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
from etl.engine.commits.commit import committed_epoch, fenced, mapping, stamped, with_properties
from etl.engine.commits.create import create
from etl.engine.commits.replacement import replace_groups
from etl.engine.frames.identifiers import assigned, columns, listed, table
from etl.engine.frames.latest import winners, zeros_apart
from etl.engine.output import Groups
from etl.engine.session.views import name_frame
from etl.engine.sinks.merge import refuse_unknown_columns
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
    return _Histories(job, session, winners(rows, sink, (*sink.keys, sink.sequence_by[0])).persist(), replaces, stamp)


class _Histories:
    """The versions of the keys that an epoch's observations are of."""

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
        if not job.rereads and isinstance(replaces, Groups):
            replace_groups(session, job.paths.state, self._observations, replaces, self._stamp.beside)
        elif not job.rereads:
            _remember(job, session, self._observations, replaces, self._stamp)
        every = self._observations
        if replaces != "all" and not isinstance(replaces, Groups):  # else every observation of the touched keys is here
            touched = every.select(*columns(keys)).distinct().persist()
            self._kept.append(touched)
            every = _remembered(job, session, touched).select(*columns(every.columns))
            self._replaces = Groups(touched, keys)
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
    """The versions that `observations` tell of: one a key wherever a tracked column changes, ended where `delete_when` holds."""
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
    marked = observations.withColumns(
        {
            _START: ~deleted & (~lived | ~before["state"].eqNullSafe(state)),
            _END: deleted & lived,
        }
    )
    turns = marked.filter(F.col(_START) | F.col(_END))
    until = F.lead(columns([since])[0]).over(in_order)
    versions = turns.withColumns({"valid_from": columns([since])[0], "valid_to": until}).filter(F.col(_START))
    return versions.withColumn("is_current", F.col("valid_to").isNull()).select(*columns(stored), *VERSION_COLUMNS)


def _remember(job: Job, session: SparkSession, new: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    known = committed_epoch(job.paths.state, stamp)
    if known is not None and known >= stamp.epoch:
        return  # an attempt that died before the target came so far
    if replaces == "all":
        writing = with_properties(
            fenced(new, stamp.generation).write.format("delta").mode("overwrite"), mapping(job.flow)
        ).option("overwriteSchema", "true")
        with stamped(session, stamp):
            writing.save(job.paths.state)
        return
    sink = job.flow.sink
    name_frame(new, _NEW)
    same = " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in (*sink.keys, sink.sequence_by[0]))
    order = [*sink.sequence_by, *new.columns]
    greater = " > ".join(
        f"struct({', '.join([listed(order, row), *zeros_apart(new.schema, row)])})" for row in ("s.", "t.")
    )
    with stamped(session, stamp):
        session.sql(
            f"MERGE INTO {table(job.paths.state)} t USING {_NEW} s ON {same}"  # names are quoted
            f" WHEN MATCHED AND {greater} THEN UPDATE SET {assigned(new.columns)}"
            f" WHEN NOT MATCHED THEN INSERT ({listed(new.columns)}) VALUES ({listed(new.columns, 's.')})"
        ).collect()


def _remembered(job: Job, session: SparkSession, touched: DataFrame) -> DataFrame:
    """Every observation of the touched keys."""
    keys = touched.select(*(column.alias(f"_etl_key_{i}") for i, column in enumerate(columns(job.flow.sink.keys))))
    same = F.expr("true")
    for i, column in enumerate(columns(job.flow.sink.keys)):
        same = same & column.eqNullSafe(F.col(f"_etl_key_{i}"))
    return session.read.format("delta").load(job.paths.state).join(F.broadcast(keys), same, "left_semi")


def _refuse_added(job: Job, rows: DataFrame) -> None:
    taken = [name for name in rows.columns if name.lower() in VERSION_COLUMNS]
    if taken:
        message = f"the transform of flow '{job.flow.name}' returns a column '{taken[0]}', which scd2 adds by itself"
        raise ConfigurationError([Diagnostic("E345", message, job.flow.sink.at, "rename it, or leave it out")])
