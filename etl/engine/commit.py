"""A commit that says where it came from and happens once, however often it is tried."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.engine.provenance import Provenance, last_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrameWriter, SparkSession

_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_TXN_APP = "spark.databricks.delta.write.txnAppId"
FEED = "delta.enableChangeDataFeed"
"""The property of a table that makes it tell which rows came and went."""

_TXN_VERSION = "spark.databricks.delta.write.txnVersion"


@contextmanager
def stamped(session: SparkSession, stamp: Provenance) -> Iterator[None]:
    """Every Delta commit that the body makes in `session` carries `stamp` and its txn id.

    The session must be the epoch's own: the settings are the only way that MERGE takes them, and they are the session's.
    """
    session.conf.set(_METADATA, stamp.dumps())
    session.conf.set(_TXN_APP, stamp.app_id)
    session.conf.set(_TXN_VERSION, str(stamp.epoch))
    try:
        yield
    finally:
        for name in (_METADATA, _TXN_APP, _TXN_VERSION):
            session.conf.unset(name)


def committed_epoch(table: str, stamp: Provenance) -> int | None:
    """The newest epoch of the stamp's generation that `table` holds; None where it holds none."""
    found = last_stamp(table)
    if found is None or found[1].app_id != stamp.app_id:
        return None
    return found[1].epoch


def with_properties(writing: DataFrameWriter, properties: tuple[tuple[str, str], ...]) -> DataFrameWriter:
    """Table properties for a table that this write creates; readable by any Delta reader unless asked otherwise."""
    writing = writing.option("delta.enableDeletionVectors", "false")
    for key, value in properties:
        writing = writing.option(key, value)
    return writing
