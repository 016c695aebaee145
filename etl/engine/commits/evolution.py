"""Within a generation, what a transform returns may gain columns: refused before anything is written, or added to the flow's tables.

Between generations there is nothing to do: epoch 0 replaces the target's columns along with its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.config.schema.identifiers import VERSION_COLUMNS, quoted
from etl.engine.frames.identifiers import table
from etl.engine.metadata.delta_log import log_versions
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job

_KEPT_BY = ("append", "merge", "scd2", "replace", "overwrite")  # a plug-in's sink knows its own target


def evolve(job: Job, session: SparkSession, rows: DataFrame) -> None:
    """Make room for the columns of `rows` in the flow's tables; ConfigurationError (E348) where they do not fit.

    Old rows hold NULL in a column that is added. ALTER TABLE changes no row, so it carries no stamp.
    """
    if job.strategy not in _KEPT_BY:
        return
    returned = _types(rows)
    left_out = {name.lower() for name in job.flow.sink.except_columns}
    stored = {name: kind for name, kind in returned.items() if name not in left_out}
    existing = _types(session.read.format("delta").load(job.paths.target))
    added = {name.lower() for name in VERSION_COLUMNS} if job.strategy == "scd2" else set()
    problems = [
        *(
            f"'{name}' is {stored[name]}, and was {existing[name]}"
            for name in stored
            if existing.get(name, stored[name]) != stored[name]
        ),
        *(f"'{name}' is gone" for name in existing if name not in stored and name not in added),
    ]
    new = [name for name in stored if name not in existing]
    if problems:
        raise _refused(
            job, f"returns other columns than its target holds: {', '.join(problems)}", "run it with --full-refresh"
        )
    if new and job.flow.sink.schema_evolution == "fail":
        hint = "say schema_evolution: add_columns in the sink, name the columns in the transform, or run it with --full-refresh"
        raise _refused(job, f"returns columns that its target does not have: {', '.join(new)}", hint)
    if new:
        names = {field.name.lower(): field.name for field in rows.schema.fields}
        _add(session, job.paths.target, {names[name]: stored[name] for name in new})
    if job.flow.sink.schema_evolution == "add_columns":
        for side_table in (job.paths.state, job.paths.quarantine):
            if log_versions(side_table):
                present = _types(session.read.format("delta").load(side_table))
                missing = [field for field in rows.schema.fields if field.name.lower() not in present]
                _add(session, side_table, {field.name: field.dataType.simpleString() for field in missing})


def _types(rows: DataFrame) -> Mapping[str, str]:
    """Name in lower case → type; columns without a type hold nothing, and Delta leaves them out."""
    kinds = {field.name.lower(): field.dataType.simpleString() for field in rows.schema.fields}
    return {name: kind for name, kind in kinds.items() if kind != "void"}


def _add(session: SparkSession, path: str, columns: Mapping[str, str]) -> None:
    if columns:
        definitions = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
        session.sql(f"ALTER TABLE {table(path)} ADD COLUMNS ({definitions})")  # names are quoted, types are Spark's own


def _refused(job: Job, what: str, hint: str) -> ConfigurationError:
    at = job.flow.sink.at if job.flow.sink.at.line else job.flow.at
    return ConfigurationError([Diagnostic("E348", f"flow '{job.flow.name}' {what}; nothing was written", at, hint)])
