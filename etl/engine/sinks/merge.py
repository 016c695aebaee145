"""`merge`: one row a key, the one with the greatest sequence; of equal sequences the greater whole row.

Being a maximum, the result does not depend on the order or the number of times in which rows arrive. Where the target alone
does not tell what won (a deleted key, columns that are not stored), `state/<pipeline>/<flow>` remembers the winning rows,
and is committed before the target.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Diagnostic
from etl.engine.commit import committed_epoch, fenced, mapping, stamped, with_properties
from etl.engine.names import assigned, listed, quoted, table
from etl.engine.names import columns as columns_of
from etl.engine.output import Groups
from etl.engine.replacement import replace_groups
from etl.engine.session_views import name_frame
from etl.engine.sinks.overwrite import create
from etl.engine.tally import Tally
from etl.engine.winners import winners, zeros_apart
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.config.spec import SinkSpec
    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance

_DELETED = "_etl_deleted"
_SOURCE, _STATE = "_etl_winners", "_etl_state"


@contextmanager
def sink(
    job: Job, session: SparkSession, rows: DataFrame, replaces: Replaces, stamp: Provenance
) -> Iterator[Callable[[], int | None]]:
    """Commit the winners among `rows` and what was there: state on the way in, the target when called.

    What is called returns the rows inserted, updated or deleted.
    """
    wanted = job.flow.sink
    refuse_unknown_columns(job, rows)
    columns = rows.columns
    left_out = {name.lower() for name in wanted.except_columns}
    stored = [name for name in columns if name.lower() not in left_out]
    # Of state there is one result a key: the newest, whatever its values are.
    best = rows if job.kind == "state" else winners(rows, wanted, wanted.keys)
    if job.rereads or isinstance(replaces, Groups):
        # Every row of the touched keys is here, so these rows alone decide, and nothing that was remembered counts.
        kept = best.filter(~_deleted(wanted)).select(*columns_of(stored))
        if isinstance(replaces, Groups):
            if not job.rereads and (wanted.delete_when or wanted.except_columns):
                # Winners that live are remembered as well: whenever this process dies, no key is without its memory.
                replace_groups(session, job.paths.state, best, replaces, stamp.beside)
            yield lambda: _replace_keys(job, session, kept, replaces, stamp)
        else:
            yield lambda: _replace(job, session, kept, stamp)
        return
    if not (wanted.delete_when or wanted.except_columns):
        if replaces == "all":
            yield lambda: _replace(job, session, best.select(*columns_of(stored)), stamp)
        else:
            yield lambda: _merge_greatest(job, session, best, stamp)
        return
    if replaces == "nothing":
        best = winners(best.unionByName(_remembered(job, session, best, columns)), wanted, wanted.keys)
    decided = best.withColumn(_DELETED, _deleted(wanted)).persist()
    try:
        _remember(job, session, decided, replaces, stamp)
        if replaces == "all":
            yield lambda: _replace(job, session, decided.filter(~F.col(_DELETED)).select(*columns_of(stored)), stamp)
        else:
            yield lambda: _merge_decided(job, session, decided, stored, stamp)
    finally:
        decided.unpersist()


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


def _remember(job: Job, session: SparkSession, best: DataFrame, replaces: Replaces, stamp: Provenance) -> None:
    """Commit to state what the target will not tell: deleted winners, or every winner where columns are left out."""
    known = committed_epoch(job.paths.state, stamp)
    if known is not None and known >= stamp.epoch:
        return  # an attempt that died before the target came so far
    kept = F.expr("true") if job.flow.sink.except_columns else F.col(_DELETED)
    if replaces == "all":
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


def _replace_keys(job: Job, session: SparkSession, rows: DataFrame, keys: Groups, stamp: Provenance) -> int:
    kept = rows.persist()
    try:
        count = kept.count()
        replace_groups(session, job.paths.target, kept, keys, stamp)
    finally:
        kept.unpersist()
    return count


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


def _merge_decided(job: Job, session: SparkSession, best: DataFrame, stored: list[str], stamp: Provenance) -> int:
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
