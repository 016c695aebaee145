"""A quarantine table: whether it has rows, from its log alone, and the rows, through Spark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.engine.metadata.delta_log import log_versions
from etl.engine.storage.places import lines_of, place

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows of one quarantine table.

    Attributes:
        counts: how many rows have each `_etl_reason`: several violated expectations are one reason.
        rows: some of them, as JSON values.
    """

    counts: dict[str, int]
    rows: tuple[dict[str, Any], ...]


def is_empty(table: str) -> bool:
    """Whether the log alone proves that the table has no row; False where only the data would tell."""
    versions = log_versions(table)
    if not versions:
        return True
    if versions[0] != 0:
        return False  # the beginning of the log has been cleaned away
    live: dict[str, int | None] = {}
    for version in versions:
        for line in lines_of(place(table, "_delta_log", f"{version:020d}.json")):
            action = json.loads(line)
            if "add" in action:
                stats = action["add"].get("stats")
                live[action["add"]["path"]] = json.loads(stats).get("numRecords") if stats else None
            elif "remove" in action:
                live.pop(action["remove"]["path"], None)
    return all(count == 0 for count in live.values())


def read(session: SparkSession, table: str, *, reason: str | None, limit: int) -> SetAside:
    """The rows with this reason among theirs, or all; the oldest `limit` of them."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415  # the field's own abbreviation; no Spark for an empty table

    quarantined = session.read.format("delta").load(table)
    if reason is not None:
        quarantined = quarantined.filter(F.array_contains(F.split("_etl_reason", ", "), reason))
    counted = quarantined.groupBy("_etl_reason").count().collect()
    counts = {str(row[0]): int(row[1]) for row in sorted(counted, key=lambda row: (-row[1], row[0]))}
    order: list[Column] = [F.col(name) for name in ("_etl_generation", "_etl_epoch", "_etl_reason")]
    whole = F.to_json(F.struct("*"), {"ignoreNullFields": "false"}).alias("row")
    rows = quarantined.orderBy(*order).limit(limit).select(whole).collect() if limit else []
    return SetAside(counts, tuple(json.loads(row[0]) for row in rows))
