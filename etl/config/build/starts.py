"""`start_at`: where a source's beginning is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etl.config.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.build.given import Given
    from etl.config.grammar import models
    from etl.config.spec import PipelineSpec

_TABLES = ("delta", "table")


@dataclass(frozen=True, slots=True)
class Start:
    """An instant in milliseconds since 1970, or a version of a table; neither: from the very beginning."""

    ms: int | None = None
    version: int | None = None


def build_start(given: Given, name: str, model: models.Source, timezone: str) -> Start:
    """Where a source starts; an instant without an offset is one in `timezone`."""
    start, path = model.start_at, ("sources", name, "start_at")
    if start is None:
        return Start()
    if (start.timestamp is None) == (start.version is None):
        message = f"source '{name}': start_at takes either timestamp or version"
        given.report("E205", message, path, "say one of them", key=True)
        return Start()
    if model.format == "rate":
        message = f"source '{name}': a rate source starts with its generation"
        given.report("E205", message, path, "leave start_at out", key=True)
        return Start()
    if start.version is not None:
        if model.format not in _TABLES:
            message = f"source '{name}': files have no versions to start at"
            given.report("E205", message, path, 'use start_at: {timestamp: "2024-01-01 00:00:00"}', key=True)
        return Start(version=start.version)
    try:
        instant = datetime.fromisoformat(start.timestamp or "")
        instant = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(timezone))
    except (ValueError, KeyError, OSError):
        message = f"source '{name}': '{start.timestamp}' is no time"
        given.report("E105", message, (*path, "timestamp"), "such as '2024-01-01 00:00:00'")
        return Start()
    return Start(ms=round(instant.timestamp() * 1000))


def check_starts(spec: PipelineSpec) -> Iterator[Diagnostic]:
    """Whole reads of a table that starts in its middle: which of its rows are new since then, a version does not tell."""
    for flow in spec.flows:
        for input_ in flow.inputs:
            source = spec.source(input_.dataset)
            if source is None or source.format not in _TABLES or not starts(source.start_ms, source.start_version):
                continue
            if input_.read == "snapshot" or flow.incremental in ("full", "groups"):
                yield Diagnostic(
                    "E202",
                    f"flow '{flow.name}' needs the whole of '{input_.dataset}', which has a start_at: a table's version does not tell its newer rows from the older",
                    input_.at,
                    "read it as changes with incremental: rows, or filter by a column in the transform",
                )


def starts(ms: int | None, version: int | None) -> bool:
    """Whether a source starts anywhere but at its beginning."""
    return ms is not None or version is not None
