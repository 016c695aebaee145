"""The settings of a session of ours: what every one needs, and the profile for one machine.

None of the local profile reaches a cluster, nor a session of the user's. What each setting is worth stands in
docs/performance.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from etl.config.checks.pinned_settings import DELTA, LOG_STORE, PINNED, TIMEZONE, UNSET
from etl.engine.session.machine_memory import usable_memory

__all__ = [
    "DELTA",
    "LOG_STORE",
    "PINNED",
    "TIMEZONE",
    "UNSET",
]  # config/checks/pinned_settings.py: also what `validate` refuses

HIDDEN_SETTINGS, HIDDEN_OPTIONS = "spark.redaction.regex", "spark.sql.redaction.options.regex"
"""The patterns of settings, and of options of readers, that Spark's UI and event log show as stars."""

READER = "twilight.files.JsonFiles"
"""One of our readers of files: a session that has it has all of them."""

GUARD_LOCK, GUARD_RUN = "spark.twilight.lock", "spark.twilight.run"
"""Settings of a flow's own session: the log store commits nothing of it unless the run holds the lock (jvm/ConditionalLogStore.java)."""

COMMITS = {"spark.databricks.delta.allFilesInCrc.enabled": "false"}
"""What a flow's own session is set to where nobody has said otherwise: outside UTC Delta would read its whole log again after each commit, to
check a list of files that no reader in Spark uses."""

CHECKPOINT_FILES = "spark.sql.streaming.checkpointFileManagerClass"
_LITTLE_PARTITIONS = 2

FORGETFUL = {
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.ui.retainedTasks": "500",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.sql.streaming.ui.retainedQueries": "5",
}
"""What a session that stays keeps of the work that is done: little, since nobody looks at the pages of the command before. A user's own go first."""


def hidden(names: Sequence[str], before: str) -> str:
    """The pattern of names to hide: those that always are, those given, and what was hidden before."""
    always = "(?i)url|secret|passw(?:or)?d|passphrase|token|credential|access[.]?key|private[.]?key"
    return "|".join(dict.fromkeys([always, *(re.escape(name) for name in names), *([before] if before else [])]))


def local(scratch: str, *, short: bool) -> dict[str, str]:
    """Settings for one machine; `short` for little data, where starting costs more than computing."""
    cores = max(_LITTLE_PARTITIONS, os.cpu_count() or 1)
    partitions = str(_LITTLE_PARTITIONS if short else cores)
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": _memory(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": f"{scratch}/warehouse",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.shuffle.partitions": partitions,
        "spark.default.parallelism": partitions,
        # Files are packed into at least this many pieces: two a core, or one core waits for the other's last piece.
        "spark.sql.files.minPartitionNum": str(_LITTLE_PARTITIONS if short else 2 * cores),
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.scheduler.mode": "FAIR",  # between flows, each of which is a pool
        # pip's pyspark has no libhadoop, so Hadoop's own local file system starts a process for each metadata file.
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem",
        CHECKPOINT_FILES: (
            "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
        ),
    }


# For a job of half a minute the second compiler costs more than it gives: it starts on code that is three times hotter, and inlines less.
_FEWER_COMPILATIONS = [
    "-XX:Tier4InvocationThreshold=15000",
    "-XX:Tier4MinInvocationThreshold=2000",
    "-XX:Tier4CompileThreshold=40000",
    "-XX:Tier4BackEdgeThreshold=100000",
    "-XX:MaxInlineLevel=9",
    "-XX:InlineSmallCode=1200",
]


def java_options(*, short: bool) -> list[str]:
    """The local JVM's own: the serial collector and the first compiler start faster, and cost more on millions of rows."""
    tuning = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"] if short else ["-XX:+UseParallelGC", *_FEWER_COMPILATIONS]
    log = Path(__file__).with_name("log4j2.properties")
    # The first compiler's 48 MiB of code are full after a few dozen epochs, and then it compiles nothing more.
    return [
        *tuning,
        "-XX:ReservedCodeCacheSize=256m",
        "-XX:MetaspaceSize=256m",
        # Java's libraries (ORC's, JDBC drivers) tell times without a zone in the JVM's: a table must not depend on where the machine stands.
        "-Duser.timezone=UTC",
        f"-Dlog4j2.configurationFile={log.as_uri()}",
    ]


def _memory() -> str:
    """Half of the memory that this process may use, between one and four GiB; less where a container has less than two."""
    usable = usable_memory() // 1024**2
    return f"{min(4096, max(min(1024, usable * 3 // 4), usable // 2))}m"
