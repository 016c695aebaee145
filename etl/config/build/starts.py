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
    """An instant in milliseconds, or a version of a table; neither: from the very beginning."""

    ms: int | None = None
    version: int | None = None


def start_of(parts: Given, name: str, model: models.Source, zone: str, found: list[Diagnostic]) -> Start:
    """Where a source starts; what is wrong with it is added to `found`."""
    wanted, path = model.start_at, ("sources", name, "start_at")
    if wanted is None:
        return Start()
    at = parts.document.place(path, key=True)
    if (wanted.timestamp is None) == (wanted.version is None):
        found.append(
            Diagnostic("E205", f"source '{name}': start_at takes either timestamp or version", at, "say one of them")
        )
        return Start()
    if model.format == "rate":
        found.append(
            Diagnostic("E205", f"source '{name}': a rate source starts with its generation", at, "leave start_at out")
        )
        return Start()
    if wanted.version is not None:
        if model.format not in _TABLES:
            message = f"source '{name}': files have no versions to start at"
            found.append(Diagnostic("E205", message, at, 'use start_at: {timestamp: "2024-01-01 00:00:00"}'))
        return Start(version=wanted.version)
    try:
        instant = datetime.fromisoformat(wanted.timestamp or "")
        instant = instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))
    except (ValueError, KeyError, OSError):
        place = parts.document.place((*path, "timestamp"))
        found.append(
            Diagnostic(
                "E105", f"source '{name}': '{wanted.timestamp}' is no time", place, "such as '2024-01-01 00:00:00'"
            )
        )
        return Start()
    return Start(ms=round(instant.timestamp() * 1000))


def check_starts(spec: PipelineSpec) -> Iterator[Diagnostic]:
    """No whole read of a table that starts in its middle: which of its rows are new since then, a version does not tell."""
    for flow in spec.flows:
        for item in flow.inputs:
            source = spec.source(item.dataset)
            if source is None or source.format not in _TABLES or not starts(source.start_ms, source.start_version):
                continue
            if item.read == "snapshot" or flow.incremental in ("full", "groups"):
                yield Diagnostic(
                    "E202",
                    f"flow '{flow.name}' needs the whole of '{item.dataset}', which has a start_at: a table's version does not tell its newer rows from the older",
                    item.at,
                    "read it as changes with incremental: rows, or filter by a column in the transform",
                )


def starts(ms: int | None, version: int | None) -> bool:
    """Whether a source starts anywhere but at its beginning."""
    return ms is not None or version is not None
