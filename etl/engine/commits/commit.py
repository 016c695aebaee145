"""A commit that says where it came from and happens once, however often it is tried."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted
from etl.engine.metadata.delta_log import last_stamp
from etl.engine.metadata.provenance import Provenance
from etl.engine.metadata.table_properties import COLUMN_MAPPING, GENERATION
from etl.engine.session.known_transactions import tell_transactions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession

    from etl.config.spec import FlowSpec

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_TXN_APP = "spark.databricks.delta.write.txnAppId"
_TXN_VERSION = "spark.databricks.delta.write.txnVersion"


@contextmanager
def stamped(session: SparkSession, stamp: Provenance, table: str | None = None) -> Iterator[None]:
    """Every Delta commit that the body makes in `session` carries `stamp` and its txn id. `table`: the path of the one that it commits to, which is then quicker.

    The session must be the epoch's own: the settings are the only way that MERGE takes them, and they are the session's.
    """
    if table is not None:
        tell_transactions(session, table)
    session.conf.set(_METADATA, stamp.dumps())
    session.conf.set(_TXN_APP, stamp.app_id)
    session.conf.set(_TXN_VERSION, str(stamp.txn_version))
    try:
        yield
    finally:
        for name in (_METADATA, _TXN_APP, _TXN_VERSION):
            session.conf.unset(name)


def committed_epoch(table: str, stamp: Provenance) -> int | None:
    """The newest epoch of the stamp's generation that `table` holds; None where it holds none."""
    newest = last_stamp(table)
    if newest is None or newest.app_id != stamp.app_id:
        return None
    return newest.epoch


def fenced(rows: DataFrame, generation: int) -> DataFrame:
    """The rows that replace a table for a generation: its number stands at their first column, in the table's own metadata.

    So the commit that swaps a generation in always changes the table's metadata, and Delta then refuses every commit that began before
    it: otherwise a blind append of the generation before, in flight, would land among the new rows.
    """
    columns = []
    for i, field in enumerate(rows.schema.fields):
        kept = {key: value for key, value in field.metadata.items() if key != GENERATION}
        metadata = kept | ({GENERATION: generation} if i == 0 else {})
        column = F.col(quoted(field.name))
        columns.append(column if metadata == field.metadata else column.alias(field.name, metadata=metadata))
    return rows.select(*columns)


def mapping(flow: FlowSpec) -> tuple[tuple[str, str], ...]:
    """What a target's columns are called by, for the tables beside it, whose columns have the same names."""
    return tuple(item for item in flow.sink.properties if item[0] == COLUMN_MAPPING)


def with_properties(writing: DataFrameWriter, properties: tuple[tuple[str, str], ...]) -> DataFrameWriter:
    """Table properties for a table that this write creates; readable by any Delta reader unless asked otherwise."""
    writing = writing.option("delta.enableDeletionVectors", "false")
    for key, value in properties:
        writing = writing.option(key, value)
    return writing
