"""What a flow promises of its output: `columns` and `primary_key`, judged before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.build.equality import unknown_names
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.masking import MASK
from etl.config.schema.ddl import without_lengths
from etl.config.schema.identifiers import quoted
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import Column, DataFrame, SparkSession

    from etl.config.spec import FlowSpec


def check(flow: FlowSpec, output: DataFrame, session: SparkSession) -> None:
    """ConfigurationError where a declared column is not there, or is of another type; more columns are welcome."""
    found: list[Diagnostic] = []
    types = {field.name.lower(): field.dataType.simpleString() for field in output.schema.fields}
    returned = f"the transform returns: {', '.join(output.columns)}"
    for item in flow.columns:
        actual = types.get(item.name.lower())
        if actual is None:
            message = f"flow '{flow.name}' promises a column '{item.name}', which its transform does not return"
            found.append(Diagnostic("E347", message, item.at, did_you_mean(item.name, output.columns) or returned))
        elif item.type is not None:
            promised = _spelled(
                session.createDataFrame([], f"c {without_lengths(item.type)}").schema[0].dataType.simpleString()
            )
            if _spelled(actual) != promised:
                message = f"flow '{flow.name}' promises '{item.name}' as {promised}, and its transform returns {actual}"
                found.append(Diagnostic("E347", message, item.at, f"CAST it in the transform, or promise {actual}"))
    for name in flow.primary_key:
        if name.lower() not in types:
            message = f"primary_key of flow '{flow.name}' names '{name}', which the transform does not return"
            found.append(Diagnostic("E345", message, flow.at, did_you_mean(name, output.columns) or returned))
    found += unknown_names(flow, output.columns)
    if found:
        raise ConfigurationError(found)


def _spelled(simple: str) -> str:
    """Names of fields do not differ by case, as names of columns do not."""
    return simple.lower()


def described(rows: DataFrame, flow: FlowSpec) -> DataFrame:
    """The rows with each column's description as its comment, for the schema of a table that they create."""
    comments = {item.name.lower(): item.description for item in flow.columns if item.description}
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
