"""Which tables of a flow store timestamps as INT96, as those of older builds do: other readers take far ones for other instants. No JVM."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote

from etl.engine.metadata.delta_log import commits, log_versions, schema_of
from etl.engine.metadata.generations import MICROS, as_opened
from etl.engine.metadata.offset_log import decode
from etl.engine.metadata.parquet_footer import INT96, physical_types
from etl.engine.storage.places import files_below, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.engine.storage.layout import FlowPaths
    from etl.engine.storage.places import Place
    from etl.planning.plan import Committed

_LOOKED_AT = 20


def tables_with_int96(paths: FlowPaths, committed: Committed | None) -> tuple[str, ...]:
    """Which of a flow's target, quarantine and state hold INT96; of a generation that a build since has opened none does."""
    if committed is None or as_opened(paths, committed.generation).instants == MICROS:
        return ()
    tables = {"target": paths.target, "quarantine": paths.quarantine, "state": paths.state}
    return tuple(name for name, table in tables.items() if _holds_int96(table))


def _holds_int96(table: str) -> bool:
    """Whether a file does. What older builds have added is what was added first, so a few files tell; those without such a column do not count."""
    if '"timestamp"' not in schema_of(table):
        return False
    for file in islice(_oldest_first(table), _LOOKED_AT):
        try:
            if INT96 in physical_types(file):
                return True
        except (OSError, ValueError):  # it is gone or damaged, which whoever reads the table is told
            continue
    return False


def _oldest_first(table: str) -> Iterator[Place]:
    """The files that a table holds; those whose commits were cleaned out of the log, and may have been removed since, come first."""
    files: dict[str, None] = {}
    gone: set[str] = set()
    for commit in commits(table):
        for name in commit.every_gone:
            gone.add(name)
            files.pop(name, None)
        files |= dict.fromkeys(commit.every_file)
    if log_versions(table)[:1] != [0]:
        known = {str(_file(table, name)) for name in (*files, *gone)}
        yield from (file for file in files_below(place(table)) if _is_data(table, file) and str(file) not in known)
    yield from (_file(table, name) for name in files)


def _file(table: str, name: str) -> Place:
    """A file by its name in the log, which is a URI."""
    return place(table, decode(name) if name.startswith("file:") else unquote(name))


def _is_data(table: str, file: Place) -> bool:
    below = str(file).removeprefix(str(place(table))).lstrip("/")
    return file.suffix == ".parquet" and not below.startswith("_")
