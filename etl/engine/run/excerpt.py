"""Rows of what only Spark reads, or reads right: files as their source parses them, and tables that other readers do not know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.formats import FORMATS
from etl.config.masking import MASK
from etl.config.schema.identifiers import quoted
from etl.config.spec import InputSpec
from etl.engine.frames.caches import Caches
from etl.engine.job import Input
from etl.engine.sources.source import open_source
from etl.engine.tables.rows import as_text, columns_of
from etl.engine.transform.parsed_input import parse_input
from etl.errors import ConfigurationError
from etl.planning.plain_values import plain_row

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyspark.sql import DataFrame, SparkSession

    from etl.config.schema.types import Column
    from etl.config.spec import SourceSpec

Rows = tuple["tuple[Column, ...]", tuple[tuple[Any, ...], ...]]


@dataclass(frozen=True, slots=True)
class SparkDataset:
    """A Delta table at a version, or at its newest, or a source; read in a session of its own.

    Attributes:
        name: What queries know it by.
        table: Where the Delta table lies; None: it is the source.
        zone: The time zone that instants are told in.
    """

    session: SparkSession
    name: str
    table: str | None
    version: int | None
    source: SourceSpec | None
    zone: str

    def rows(self, *, sql: str | None, limit: int, hidden: Collection[str]) -> Rows:
        """The columns, and the first `limit` rows, of the dataset or of a query over it.

        Of the `hidden` columns, in lower case, the query sees only whether there is a value. Raises ConfigurationError (E300) where it is no valid query.
        """
        stored = self._frame()
        shown = stored.select(*(_masked(column, hidden) for column in stored.columns))
        if sql is not None:
            shown = self._queried(shown, sql)
        columns = columns_of(shown)
        numbered = [
            replace(column, name=f"c{i}") for i, column in enumerate(columns)
        ]  # a query may give one name twice
        rows = as_text(shown.toDF(*(column.name for column in numbered)).limit(limit)).collect()
        zone = ZoneInfo(self.zone)
        return columns, tuple(tuple(plain_row(row[0], numbered, zone).values()) for row in rows)

    def arrow(self) -> Any:
        """All rows, as a `pyarrow.Table`."""
        return self._frame().toArrow()

    def _frame(self) -> DataFrame:
        """The dataset, all of its columns: of a source those of its schema, and no row that does not parse."""
        if self.table is not None:
            reader = self.session.read.format("delta")
            return (reader if self.version is None else reader.option("versionAsOf", self.version)).load(self.table)
        if self.source is None:
            message = f"dataset '{self.name}' is neither a table nor a source"
            raise ValueError(message)
        source, known = self.source, FORMATS.get(self.source.format)
        if known is not None and known.malformed:
            source = replace(source, on_malformed="quarantine")  # a row that cannot be shown must not hide the others
        opened = open_source(source)
        raw = opened.as_of(self.session, opened.latest())
        shown = Input(InputSpec(source.name), source)
        return parse_input(shown, raw, Caches(), keep_malformed=False, is_batch_of_stream=True, counted=False).parsed

    def _queried(self, shown: DataFrame, sql: str) -> DataFrame:
        shown.createOrReplaceTempView(self.name)
        try:
            return self.session.sql(sql)
        except (AnalysisException, ParseException) as cause:
            message = f"the query of --sql is not valid: {str(cause).splitlines()[0]}"
            raise ConfigurationError([Diagnostic("E300", message, hint="--sql is SQL of Spark's here")]) from cause


def _masked(name: str, hidden: Collection[str]) -> Any:
    column = F.col(quoted(name))
    return F.when(column.isNotNull(), F.lit(MASK)).alias(name) if name.lower() in hidden else column
