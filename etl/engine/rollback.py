"""A table taken back to an earlier version of itself, by one commit that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.checkpoints import decode
from etl.engine.commit import stamped
from etl.engine.names import table
from etl.engine.places import place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.engine.provenance import Provenance


def missing_files(session: SparkSession, path: str, version: int) -> list[str]:
    """The data files of a version of the table at `path` that are not there any more: VACUUM removes them in time."""
    files = session.read.format("delta").option("versionAsOf", str(version)).load(path).inputFiles()
    return [name for name in map(decode, files) if not place(name).exists()]


def restore(session: SparkSession, path: str, version: int, stamp: Provenance) -> None:
    """One RESTORE with the stamp of the generation that it goes back to."""
    with stamped(session, stamp):
        session.sql(f"RESTORE TABLE {table(path)} TO VERSION AS OF {version}").collect()  # the path is quoted
