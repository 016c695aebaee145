"""The places of tables that are named in the session's catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.build.table_names import quoted
from etl.engine.metadata.offset_log import decode
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import SparkSession

    from etl.config.spec import PipelineSpec, SourceSpec


def located(spec: PipelineSpec, names: Collection[str], session: SparkSession) -> PipelineSpec:
    """The spec with the places of those of the sources `names` that are tables of the catalog.

    Raises EnvironmentProblem where the catalog has no such table, or it is no Delta table on a local file system.
    """
    sources = tuple(
        replace(source, path=_locate(source, session)) if source.table and source.name in names else source
        for source in spec.sources
    )
    return replace(spec, sources=sources)


def _locate(source: SourceSpec, session: SparkSession) -> str:
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # only with a session does anything come here

    name = source.table or ""
    where = str(source.at)
    try:
        detail = session.sql(f"DESCRIBE DETAIL {quoted(name)}").first()
    except AnalysisException as cause:
        raise EnvironmentProblem(
            f"source '{source.name}': the session's catalog has no table '{name}'",
            where=where,
            hint="correct the name, or let spark.conf in conf/ name the catalog that knows it; or use format: delta with a path",
        ) from cause
    if detail is None or detail["format"] != "delta" or not detail["location"]:
        kind = "a view" if detail is None or not detail["location"] else f"of format {detail['format']}"
        raise EnvironmentProblem(
            f"source '{source.name}': '{name}' is {kind}, not a Delta table",
            where=where,
            hint="read its files by path and format instead",
        )
    place = decode(str(detail["location"]))
    if not place.startswith("/"):
        raise EnvironmentProblem(
            f"source '{source.name}': '{name}' lies at {place}; only local places are supported yet",
            where=where,
            hint="register a copy of it on a local file system",
        )
    return place
