"""`merge`: one row a key, the one with the greatest sequence; of equal sequences the greater whole row.

Being a maximum, the result does not depend on the order or the number of times in which rows arrive. Where the target alone
does not tell what won (a deleted key, columns that are not stored), `state/<pipeline>/<flow>` remembers the winning rows,
and is committed before the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Diagnostic
from etl.config.schema.identifiers import quoted
from etl.engine.commits.commit import committed_epoch, fenced, mapping, stamped, with_properties
from etl.engine.commits.create import create
from etl.engine.commits.epoch_commits import TargetCommit
from etl.engine.commits.replacement import replace_groups
from etl.engine.frames.identifiers import assigned, listed, table
from etl.engine.frames.identifiers import columns as columns_of
from etl.engine.frames.latest import winners, zeros_apart
from etl.engine.frames.tally import Tally
from etl.engine.output import Groups
from etl.engine.session.views import name_frame
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.config.spec import SinkSpec
    from etl.engine.commits.epoch_commits import EpochCommits
    from etl.engine.job import Job
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Replaces

_DELETED = "_etl_deleted"
_SOURCE, _STATE = "_etl_winners", "_etl_state"


def prepare(job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance) -> EpochCommits:
    """The winners among `rows` and what was there. The target's commit returns the rows inserted, updated or deleted."""
    sink = job.flow.sink
    refuse_unknown_columns(job, rows)
    left_out = {name.lower() for name in sink.except_columns}
    stored = tuple(name for name in rows.columns if name.lower() not in left_out)
    # Of state there is one result a key: the newest, whatever its values are.
    best = rows if job.kind == "state" else winners(rows, sink, sink.keys)
    remembers = bool(sink.delete_when or sink.except_columns)
    if job.rereads or isinstance(replaces, Groups):
        # Every row of the touched keys is here, so these rows alone decide, and nothing that was remembered counts.
        living = best.filter(~_deleted(sink)).select(*columns_of(stored))
        if isinstance(replaces, Groups):
            return _KeysReplaced(job, session, best if remembers and not job.rereads else None, living, replaces, stamp)
        return TargetCommit(partial(_replace, job, session, living, stamp))
    if not remembers:
        if replaces == "all":
            return TargetCommit(partial(_replace, job, session, best.select(*columns_of(stored)), stamp))
        return TargetCommit(partial(_merge_greatest, job, session, best, stamp))
    if replaces == "nothing":
        best = winners(best.unionByName(_remembered(job, session, best, rows.columns)), sink, sink.keys)
    decided = best.withColumn(_DELETED, _deleted(sink)).persist()
    return _Decided(job, session, decided, stored, stamp, first=replaces == "all")


@dataclass(frozen=True, slots=True)
class _KeysReplaced:
    """Keys of which every row is at hand."""

    job: Job
    session: SparkSession
    remembered: DataFrame | None  # the winners, where some of them are to be remembered
    living: DataFrame
    keys: Groups
    stamp: Provenance

    def commit_state(self) -> None:
        # Winners that live are remembered as well: whenever this process dies, no key is without its memory.
        if self.remembered is not None:
            replace_groups(self.session, self.job.paths.state, self.remembered, self.keys, self.stamp.beside)

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
    """Winners that were compared with what was remembered of their keys."""

    job: Job
    session: SparkSession
    winners: DataFrame  # the transform's columns and `_etl_deleted BOOLEAN`, kept in memory
    stored: tuple[str, ...]
    stamp: Provenance
    first: bool  # they replace all that was there

    def commit_state(self) -> None:
        _remember(self.job, self.session, self.winners, self.stamp, first=self.first)

    def commit_target(self) -> int:
        if self.first:
            living = self.winners.filter(~F.col(_DELETED)).select(*columns_of(self.stored))
            return _replace(self.job, self.session, living, self.stamp)
        return _merge_decided(self.job, self.session, self.winners, self.stored, self.stamp)

    def close(self) -> None:
        self.winners.unpersist()


def _deleted(sink: SinkSpec) -> Column:
    return F.coalesce(F.expr(sink.delete_when), F.expr("false")) if sink.delete_when else F.expr("false")


def _remembered(job: Job, session: SparkSession, rows: DataFrame, columns: list[str]) -> DataFrame:
    """What is known of the keys that `rows` touches: from state, and from the target where that holds whole rows."""
    known = session.read.format("delta").load(job.paths.state).select(*columns_of(columns))
    if not job.flow.sink.except_columns:
        known = known.unionByName(session.read.format("delta").load(job.paths.target).select(*columns_of(columns)))
    keys = list(job.flow.sink.keys)
    touched = rows.select(*(column.alias(f"_etl_key_{i}") for i, column in enumerate(columns_of(keys)))).distinct()
    same = F.expr("true")
    for i, column in enumerate(columns_of(keys)):
        same = same & column.eqNullSafe(F.col(f"_etl_key_{i}"))
    return known.join(F.broadcast(touched), same, "left_semi")


def _remember(job: Job, session: SparkSession, best: DataFrame, stamp: Provenance, *, first: bool) -> None:
    """Commit to state what the target will not tell: deleted winners, or every winner where columns are left out."""
    known = committed_epoch(job.paths.state, stamp)
    if known is not None and known >= stamp.epoch:
        return  # an attempt that died before the target came so far
    kept = F.expr("true") if job.flow.sink.except_columns else F.col(_DELETED)
    if first:
        rows = fenced(best.filter(kept).drop(_DELETED), stamp.generation)
        writing = with_properties(rows.write.format("delta").mode("overwrite"), mapping(job.flow)).option(
            "overwriteSchema", "true"
        )
        with stamped(session, stamp):
            writing.save(job.paths.state)
        return
    name_frame(best.withColumn("_etl_kept", kept), _STATE)
    names = [name for name in best.columns if name != _DELETED]
    with stamped(session, stamp):
        session.sql(
            f"MERGE INTO {table(job.paths.state)} t USING {_STATE} s ON {_same_key(job.flow.sink)}"  # names are quoted
            f" WHEN MATCHED AND NOT s._etl_kept THEN DELETE"
            f" WHEN MATCHED THEN UPDATE SET {assigned(names)}"
            f" WHEN NOT MATCHED AND s._etl_kept THEN INSERT ({listed(names)}) VALUES ({listed(names, 's.')})"
        ).collect()


def _replace(job: Job, session: SparkSession, rows: DataFrame, stamp: Provenance) -> int:
    tally = Tally(rows, [F.count(F.lit(1)).alias("rows")])
    create(job, session, tally.frame, stamp)
    return tally.result()["rows"]


def _merge_greatest(job: Job, session: SparkSession, best: DataFrame, stamp: Provenance) -> int:
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
    with stamped(session, stamp):
        done = session.sql(
            f"MERGE INTO {table(job.paths.target)} t USING {_SOURCE} s ON {_same_key(job.flow.sink)} {clauses}"  # names are quoted
        ).first()
    return int(done["num_affected_rows"]) if done is not None else 0


def refuse_unknown_columns(job: Job, rows: DataFrame) -> None:
    """ConfigurationError where the sink names columns that are not there, or rows cannot be put in order."""
    sink, known = job.flow.sink, {name.lower() for name in rows.columns}
    found = []
    for key, names in (
        ("keys", sink.keys),
        ("sequence_by", sink.sequence_by),
        ("except_columns", sink.except_columns),
        ("track", sink.track),
    ):
        found += [
            Diagnostic(
                "E345",
                f"sink.{key} of flow '{job.flow.name}' names '{name}', which the transform does not return",
                sink.at,
                f"the transform returns: {', '.join(rows.columns)}",
            )
            for name in names
            if name.lower() not in known
        ]
    for field in rows.schema.fields if job.kind != "state" else ():
        kind = field.dataType.simpleString()
        if "map<" in kind or "variant" in kind:
            what, instead = ("a MAP", "an array of structs") if "map<" in kind else ("a VARIANT", "a string")
            message = f"flow '{job.flow.name}' merges rows with {what} in column '{field.name}'; rows with such values have no order"
            found.append(Diagnostic("E346", message, sink.at, f"turn it into {instead}, or leave the column out"))
    if found:
        raise ConfigurationError(found)


def _same_key(sink: SinkSpec) -> str:
    return " AND ".join(f"t.{quoted(name)} <=> s.{quoted(name)}" for name in sink.keys)
