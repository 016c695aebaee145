"""The transactions of a Delta table, told to Delta before a commit that asks for them, where the table's checksum names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from py4j.java_gateway import JavaClass

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def tell_transactions(session: SparkSession, table: str) -> None:
    """Spare the next commit to `table` the two jobs in which Delta would read its whole log, to learn which transactions were committed.

    Nothing where the session lacks our class, where the table or its checksum is not there, and with a Delta that keeps its snapshots otherwise.
    """
    known = session._jvm.twilight.delta.KnownTransactions  # type: ignore[union-attr]  # noqa: SLF001  # py4j is untyped
    if isinstance(known, JavaClass):
        known.tell(session._jsparkSession, table)  # noqa: SLF001  # as above
