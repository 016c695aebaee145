"""The session's catalog: where a table lies whose name is all that is known."""

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
    """The spec with the places of those sources that are tables of the catalog; EnvironmentProblem where one is not there."""
    sources = tuple(
        replace(item, path=_locate(item, session)) if item.table and item.name in names else item
        for item in spec.sources
    )
    return replace(spec, sources=sources)


def _locate(source: SourceSpec, session: SparkSession) -> str:
    from pyspark.errors import AnalysisException  # noqa: PLC0415  # only with a session does anything come here

    name = source.table or ""
    where = str(source.at)
    try:
        found = session.sql(f"DESCRIBE DETAIL {quoted(name)}").first()
    except AnalysisException as cause:
        raise EnvironmentProblem(
            f"source '{source.name}': the session's catalog has no table '{name}'",
            where=where,
            hint="correct the name, or let spark.conf in conf/ name the catalog that knows it; or use format: delta with a path",
        ) from cause
    if found is None or found["format"] != "delta" or not found["location"]:
        kind = "a view" if found is None or not found["location"] else f"of format {found['format']}"
        raise EnvironmentProblem(
            f"source '{source.name}': '{name}' is {kind}, not a Delta table",
            where=where,
            hint="read its files by path and format instead",
        )
    place = decode(str(found["location"]))
    if not place.startswith("/"):
        raise EnvironmentProblem(
            f"source '{source.name}': '{name}' lies at {place}; only local places are supported yet",
            where=where,
            hint="register a copy of it on a local file system",
        )
    return place
