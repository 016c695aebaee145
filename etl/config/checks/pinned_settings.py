"""Settings of Spark's that are the framework's own, and what is wrong with saying them in `spark.conf`: it would change nothing, or too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.object_uris import is_object

if TYPE_CHECKING:
    from etl.config.document.document import Document

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
"""Delta's own: only a session that starts with them knows Delta."""

PINNED = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "false",
    # Whether a row is malformed must not depend on which of its columns a query asks for.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    # Replacing a target replaces all of it, partitions without new rows among it.
    "spark.sql.sources.partitionOverwriteMode": "static",
    # A target's schema is what its transform returns, never what a later write happens to bring.
    "spark.databricks.delta.schema.autoMerge.enabled": "false",
    # State outgrows memory, and is kept as changes to what was there; a checkpoint can only go on with the store it began with.
    "spark.sql.streaming.stateStore.providerClass": (
        "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"
    ),
    "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
    # Of several inputs the slowest decides what is late, and results that are due come out without new rows.
    "spark.sql.streaming.multipleWatermarkPolicy": "min",
    "spark.sql.streaming.noDataMicroBatches.enabled": "true",
    # What an epoch of a state flow read is told by its query's progress, and must still be there when a run looks.
    "spark.sql.streaming.numRecentProgressUpdates": "100",
    # Spark's own default, INT96, is read as other instants by many readers, and is refused by some; dates before 1582 are stored as they are.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # An instant that names a partition is written with its zone, or each reader would take it for one by its own clock.
    "spark.databricks.delta.write.utcTimestampPartitionValues": "true",
    # Delta's parser does not pass `:name` markers on to Spark 4.2's way of substituting them; the older way binds them.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
}
"""What a flow's session never takes from its surroundings, since its results depend on it."""

UNSET = tuple(
    f"spark.databricks.delta.properties.defaults.{name}"
    for name in ("enableDeletionVectors", "columnMapping.mode", "appendOnly")
)
"""Defaults for new tables that would make a target unreadable to others, or to us unwritable; a sink's properties may ask for them."""

LOG_STORE = {"spark.delta.logStore.s3a.impl": "twilight.storage.ConditionalLogStore"}
"""Of two commits of one version to a log in an object store one is refused; Delta's own way there keeps apart only those of one JVM."""

TIMEZONE = "spark.sql.session.timeZone"
_INSTEAD = {
    TIMEZONE: "say run: {timezone: Europe/Berlin}, in conf/ or in the pipeline",
    "spark.master": "say master: under spark",
    "spark.app.name": "leave it out: the application has the pipeline's name",
    "spark.databricks.delta.commitInfo.userMetadata": "leave it out: each commit carries its flow, run and epoch there",
    "spark.databricks.delta.write.txnAppId": "leave it out: each epoch is written with its own",
    "spark.databricks.delta.write.txnVersion": "leave it out: each epoch is written with its own",
    "spark.sql.streaming.checkpointLocation": "leave it out: checkpoints lie under storage",
    "spark.twilight.lock": "leave it out",
    "spark.twilight.run": "leave it out",
    **dict.fromkeys(
        UNSET, "say it under properties: of the sinks that are meant, without `spark.databricks.` and `defaults.`"
    ),
    "spark.sql.ansi.enabled": "leave it out; try_cast, try_divide and their like give NULL instead of an error",
}
"""What to do in their stead; those that are set, or unset, in each flow's session or commit, whatever a user says."""


def refused(document: Document, conf: Mapping[str, object], storage: str) -> list[Diagnostic]:
    """The mistakes in an environment's `spark.conf`, each setting at its place; `storage` is the environment's, as written."""
    pinned = {**PINNED, **(LOG_STORE if is_object(storage) else {})}
    diagnostics = []
    for name, value in conf.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        message = ""
        hint = _INSTEAD.get(name, "leave it out")
        if name in pinned and text.lower() != pinned[name].lower():
            message = f"{name} is {pinned[name]} for every flow, whose rows depend on it; '{text}' would change nothing"
        elif name in _INSTEAD and name not in pinned:
            message = f"{name} is the framework's own; '{text}' would change nothing"
        elif name in DELTA and DELTA[name] not in text:
            message = f"{name} without {DELTA[name]} makes a session that does not know Delta"
            hint = f"say '{text},{DELTA[name]}'" if name == "spark.sql.extensions" else "leave it out"
        if message:
            diagnostics.append(Diagnostic("E151", message, document.place(("spark", "conf", name), key=True), hint))
    return diagnostics
