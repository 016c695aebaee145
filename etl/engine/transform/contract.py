"""The contract of a flow's output: `columns` and `primary_key`, judged before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.build.equality import unknown_names
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.masking import MASK
from etl.config.schema.ddl import without_lengths
from etl.config.schema.identifiers import quoted
from etl.engine.session.empty_frame import empty_frame
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.config.spec import FlowSpec


def check(flow: FlowSpec, output: DataFrame, session: SparkSession) -> None:
    """Raise ConfigurationError where `output` lacks a declared column, or has it of another type; more columns are welcome."""
    diagnostics: list[Diagnostic] = []
    types = {field.name.lower(): field.dataType.simpleString() for field in output.schema.fields}
    returned = f"the transform returns: {', '.join(output.columns)}"
    for column in flow.columns:
        actual = types.get(column.name.lower())
        if actual is None:
            message = f"flow '{flow.name}' promises a column '{column.name}', which its transform does not return"
            hint = did_you_mean(column.name, output.columns) or returned
            diagnostics.append(Diagnostic("E347", message, column.at, hint))
        elif column.type is not None:
            declared = empty_frame(session, f"c {without_lengths(column.type)}").schema[0].dataType
            promised = (
                declared.simpleString().lower()
            )  # names of fields do not differ by case, as names of columns do not
            if actual.lower() != promised:
                message = (
                    f"flow '{flow.name}' promises '{column.name}' as {promised}, and its transform returns {actual}"
                )
                hint = f"CAST it in the transform, or promise {actual}"
                diagnostics.append(Diagnostic("E347", message, column.at, hint))
    for name in flow.primary_key:
        if name.lower() not in types:
            message = f"primary_key of flow '{flow.name}' names '{name}', which the transform does not return"
            diagnostics.append(Diagnostic("E345", message, flow.at, did_you_mean(name, output.columns) or returned))
    diagnostics += unknown_names(flow, output.columns)
    if diagnostics:
        raise ConfigurationError(diagnostics)


def described(rows: DataFrame, flow: FlowSpec) -> DataFrame:
    """The rows, same columns, each with its description as its comment, for the schema of a table that they create."""
    comments = {column.name.lower(): column.description for column in flow.columns if column.description}
    if not comments:
        return rows
    columns = []
    for field in rows.schema.fields:
        column = F.col(quoted(field.name))
        comment = comments.get(field.name.lower())
        if comment is not None:
            column = column.alias(field.name, metadata={**field.metadata, "comment": comment})
        columns.append(column)
    return rows.select(*columns)


def masked(names: Collection[str], hidden: frozenset[str]) -> list[Column]:
    """The columns as a person may see them: of the `hidden` ones only whether there is a value."""
    columns = []
    for name in names:
        column = F.col(quoted(name))
        if name.lower() in hidden:
            column = F.when(column.isNotNull(), F.lit(MASK))
        columns.append(column.alias(name))
    return columns
