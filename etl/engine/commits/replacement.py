"""Rows replaced in one commit, by their groups or by a condition: those that vanished go, those that came or changed are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.commits.commit import stamped
from etl.engine.frames.identifiers import listed, table
from etl.engine.session.views import name_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Groups

_OP = "_etl_op"
_SOURCE = "_etl_replacement"


def replace_groups(
    session: SparkSession, path: str, rows: DataFrame, groups: Groups, stamp: Provenance, *, among: str = "true"
) -> None:
    """Replace the rows of the table at `path` that belong to `groups` by `rows`; `among`: a condition on rows `t` that may go.

    The source of the MERGE holds each group once (it matches, and so deletes) and the new rows (which never match, and so are
    inserted): one commit, null keys and vanished rows included, several rows a group.
    """
    types = {field.name.lower(): field.dataType for field in rows.schema.fields}
    going = groups.affected.select(
        *(F.col(quoted(name)).cast(types[name.lower()]).alias(name) for name in groups.columns)
    )
    source = rows.withColumn(_OP, F.lit(1)).unionByName(going.withColumn(_OP, F.lit(0)), allowMissingColumns=True)
    name_frame(source, _SOURCE)
    same = [f"t.{quoted(name)} <=> s.{quoted(name)}" for name in groups.columns]
    on = " AND ".join([f"s.{_OP} = 0", f"({among})", *same])
    with stamped(session, stamp, path):
        session.sql(
            f"MERGE INTO {table(path)} t USING {_SOURCE} s ON {on}"  # names are quoted
            f" WHEN MATCHED THEN DELETE WHEN NOT MATCHED AND s.{_OP} = 1 THEN INSERT ({listed(rows.columns)}) VALUES ({listed(rows.columns, 's.')})"
        ).collect()


def replace_rows(session: SparkSession, path: str, rows: DataFrame, condition: str, stamp: Provenance) -> None:
    """Replace the rows of the table at `path` for which `condition` holds by `rows`, for all of which it holds."""
    with stamped(session, stamp, path):
        rows.write.format("delta").mode("overwrite").option("replaceWhere", condition).save(path)
