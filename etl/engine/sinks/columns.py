"""The columns that sinks need which compare rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from etl.engine.job import Job


def refuse_unknown_columns(job: Job, rows: DataFrame) -> None:
    """Raise ConfigurationError where the sink names columns that are not there, or rows cannot be put in order."""
    sink, returned = job.flow.sink, {name.lower() for name in rows.columns}
    diagnostics = []
    for key, names in (
        ("keys", sink.keys),
        ("sequence_by", sink.sequence_by),
        ("except_columns", sink.except_columns),
        ("track", sink.track),
    ):
        diagnostics += [
            Diagnostic(
                "E345",
                f"sink.{key} of flow '{job.flow.name}' names '{name}', which the transform does not return",
                sink.at,
                f"the transform returns: {', '.join(rows.columns)}",
            )
            for name in names
            if name.lower() not in returned
        ]
    for field in rows.schema.fields if not job.traits.keeps_state else ():
        kind = field.dataType.simpleString()
        if "map<" in kind or "variant" in kind:
            what, instead = ("a MAP", "an array of structs") if "map<" in kind else ("a VARIANT", "a string")
            message = f"flow '{job.flow.name}' merges rows with {what} in column '{field.name}'; rows with such values have no order"
            diagnostics.append(Diagnostic("E346", message, sink.at, f"turn it into {instead}, or leave the column out"))
    if diagnostics:
        raise ConfigurationError(diagnostics)
