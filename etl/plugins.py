"""The door for plug-ins: the only module of Twilight that other distributions import (docs/concepts/plug-ins.md).

`Format` and `SinkStrategy` are there at once, since `etl validate` imports a plug-in's declarations. All else is imported when it is
first asked for, by a run: it brings pyspark along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.grammar.formats import Format
from etl.config.grammar.strategies import SinkStrategy
from etl.lazy import lazily

if TYPE_CHECKING:
    from etl.config.schema.ddl import parse as parse_ddl
    from etl.config.spec import SourceSpec
    from etl.engine.commits.commit import stamped
    from etl.engine.commits.create import create
    from etl.engine.commits.epoch_commits import EpochCommits, TargetCommit
    from etl.engine.job import Job
    from etl.engine.metadata.offset_log import OffsetLog
    from etl.engine.metadata.provenance import Provenance
    from etl.engine.output import Groups, Replaces, Rows
    from etl.engine.sources.files import CORRUPT, FileSource
    from etl.engine.sources.source import Source
    from etl.planning.position import Drift, Pin

__all__ = [
    "CORRUPT",
    "Drift",
    "EpochCommits",
    "FileSource",
    "Format",
    "Groups",
    "Job",
    "OffsetLog",
    "Pin",
    "Provenance",
    "Replaces",
    "Rows",
    "SinkStrategy",
    "Source",
    "SourceSpec",
    "TargetCommit",
    "create",
    "parse_ddl",
    "stamped",
]

if not TYPE_CHECKING:  # else any name would do for a type checker
    __getattr__ = lazily(
        "etl.plugins",
        {
            "CORRUPT": "etl.engine.sources.files",
            "Drift": "etl.planning.position",
            "EpochCommits": "etl.engine.commits.epoch_commits",
            "FileSource": "etl.engine.sources.files",
            "Groups": "etl.engine.output",
            "Job": "etl.engine.job",
            "Pin": "etl.planning.position",
            "Provenance": "etl.engine.metadata.provenance",
            "Replaces": "etl.engine.output",
            "Rows": "etl.engine.output",
            "Source": "etl.engine.sources.source",
            "OffsetLog": "etl.engine.metadata.offset_log",
            "SourceSpec": "etl.config.spec",
            "TargetCommit": "etl.engine.commits.epoch_commits",
            "create": "etl.engine.commits.create",
            "parse_ddl": "etl.config.schema.ddl:parse",
            "stamped": "etl.engine.commits.commit",
        },
    )
