"""A table taken back to an earlier version of itself, by one commit that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.engine.commits.commit import stamped
from etl.engine.frames.identifiers import table
from etl.engine.storage.places import place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.engine.metadata.provenance import Provenance


def missing_files(session: SparkSession, path: str, version: int) -> list[str]:
    """The data files of a version of the table at `path` that are not there any more: VACUUM removes them in time."""
    files = session.read.format("delta").option("versionAsOf", str(version)).load(path).inputFiles()
    return [name for name in map(_path, files) if not place(name).exists()]


def _path(name: str) -> str:
    """A file as Spark names it, which escapes nothing: `file:/a%3Ab` is `/a%3Ab`, as a partition's folder is called."""
    return "/" + name.removeprefix("file:").lstrip("/") if name.startswith("file:") else name


def restore(session: SparkSession, path: str, version: int, stamp: Provenance) -> None:
    """One RESTORE with the stamp of the generation that it goes back to."""
    with stamped(session, stamp, path):
        session.sql(f"RESTORE TABLE {table(path)} TO VERSION AS OF {version}").collect()  # the path is quoted
