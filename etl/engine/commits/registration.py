"""A target's name in the catalog: registered after its first commit, as an external table where it lies.

Plans, audits and unchanged runs work from the files alone; the catalog only learns where they are. What was registered is
remembered beside the checkpoints, so that a run with nothing to do need not ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.build.table_names import quoted
from etl.engine.metadata.delta_log import log_versions
from etl.engine.metadata.offset_log import decode
from etl.engine.storage.json_files import read_json, sweep_drafts, write_json
from etl.engine.storage.places import place
from etl.errors import FlowFailed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from etl.config.spec import FlowSpec
    from etl.engine.storage.layout import FlowPaths
    from etl.engine.storage.places import Place


def is_registered(flow: FlowSpec, paths: FlowPaths) -> bool:
    """Whether the target was registered under the name that it has now, or needs no name."""
    return flow.sink.table is None or read_json(_record(paths)) == _wanted(flow, paths)


def refuse_taken(session: SparkSession, flow: FlowSpec, paths: FlowPaths) -> None:
    """FlowFailed where the catalog knows something else by the target's name."""
    name = flow.sink.table
    if name is None:
        return
    location = _location(session, name)
    if location is not None and location.rstrip("/") != paths.target:
        raise FlowFailed(
            f"flow '{flow.name}': the table '{name}' is registered at {location or 'no place (it is a view)'}, and this flow writes {paths.target}",
            where=str(flow.sink.at),
            hint=f"choose another sink.table, or drop '{name}' if nobody needs it",
        )


def register(session: SparkSession, flow: FlowSpec, paths: FlowPaths) -> None:
    """Make the target known by its name, and its schema where that is missing; nothing before its first commit."""
    name = flow.sink.table
    if name is None or not log_versions(paths.target):
        return
    refuse_taken(session, flow, paths)
    above = name.rpartition(".")[0]
    if above and not session.catalog.databaseExists(quoted(above)):
        session.sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(above)}")
    location = paths.target.replace("\\", "\\\\").replace("'", "\\'")
    session.sql(f"CREATE TABLE IF NOT EXISTS {quoted(name)} USING DELTA LOCATION '{location}'")
    write_json(_record(paths), _wanted(flow, paths))
    sweep_drafts(paths.checkpoints)  # of runs that were killed here, where they hold no lock any more


def _location(session: SparkSession, name: str) -> str | None:
    """Where the table of that name lies; empty for a view, None where there is none."""
    if not session.catalog.tableExists(quoted(name)):
        return None
    rows = session.sql(f"DESCRIBE TABLE EXTENDED {quoted(name)}").collect()
    return next((decode(str(row["data_type"])) for row in rows if row["col_name"] == "Location"), "")


def _wanted(flow: FlowSpec, paths: FlowPaths) -> dict[str, str]:
    return {"table": flow.sink.table or "", "location": paths.target}


def _record(paths: FlowPaths) -> Place:
    return place(paths.checkpoints, "table.json")
