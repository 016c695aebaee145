"""Small files of a table rewritten together, or its rows laid where `cluster_by` says: one commit of Delta's OPTIMIZE, which changes no row."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.config.schema.identifiers import quoted
from etl.config.sql.bound import literal
from etl.engine.commits.commit import stamped
from etl.engine.frames.identifiers import table
from etl.engine.transform import partitions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession

    from etl.engine.metadata.provenance import Provenance
    from etl.planning.maintenance import Compaction, Partition

_OPTIMIZE = "spark.databricks.delta.optimize."
_MOST_PARTITIONS = (
    100  # that a condition names: of more of them all are looked at, and Delta leaves alone what has nothing to win
)
_COMPARED = frozenset({"string", "byte", "short", "integer", "long", "date", "boolean"})
_CUBE = 8  # files of the target's size: as much as that, once clustered together, is not rewritten for what comes later


def optimize(
    session: SparkSession, path: str, compaction: Compaction, stamp: Provenance, *, target: int, schema: str
) -> None:
    """Carry out `compaction` of the table at `path`, under the stamp of its newest commit of ours and what is done (`maintenance`).

    `target`: the size in bytes of the files that are made. `schema`: the table's, as its log has it, which tells how partitions compare.
    """
    settings = {
        "maxFileSize": target,
        "minFileSize": compaction.below or target,
        "clustering.mergeStrategy.minCubeSize.threshold": _CUBE * target,
    }
    condition = _condition(compaction.partitions, _types(schema))
    tuning = {f"{_OPTIMIZE}{name}": str(value) for name, value in settings.items()}
    # By a clock that is set back once a year, OPTIMIZE takes the instant that names a partition for the earlier of two.
    with _set(session, tuning), partitions.in_utc(session), stamped(session, stamp):
        session.sql(f"OPTIMIZE {table(path)}{condition}").collect()  # names are quoted, values are literals


@contextmanager
def _set(session: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """The session, which is the flow's own, with the settings for the body."""
    before = {name: session.conf.get(name, None) for name in settings}
    for name, value in settings.items():
        session.conf.set(name, value)
    try:
        yield
    finally:
        for name, earlier in before.items():
            if earlier is None:
                session.conf.unset(name)
            else:
                session.conf.set(name, earlier)


def _types(schema: str) -> dict[str, str]:
    """Column → type, of the columns whose type is a plain one."""
    fields = json.loads(schema)["fields"] if schema else []
    return {field["name"]: field["type"] for field in fields if isinstance(field["type"], str)}


def _condition(partitions: tuple[Partition, ...], types: Mapping[str, str]) -> str:
    """The condition that names the partitions; empty, which is all of them, where their values have no literal for sure, or are too many."""
    if len(partitions) > _MOST_PARTITIONS:
        return ""
    parts = []
    for partition in partitions:
        if any(types.get(name) not in _COMPARED for name, _ in partition):
            return ""  # of columns that are mapped, the log tells names that are not the table's
        parts.append("(" + " AND ".join(_is(name, value, types[name]) for name, value in partition) + ")")
    return f" WHERE {' OR '.join(parts)}" if parts else ""


def _is(name: str, value: str | None, kind: str) -> str:
    if value is None:
        return f"{quoted(name)} IS NULL"
    return f"{quoted(name)} = CAST({literal(value)} AS {_NAMES.get(kind, kind)})"


_NAMES = {"byte": "TINYINT", "short": "SMALLINT", "integer": "INT", "long": "BIGINT"}
