"""Of several rows of one key, the one that wins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine import markers
from etl.engine.names import columns as columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from etl.config.spec import SinkSpec

_ROW = "_etl_row"


def winners(rows: DataFrame, sink: SinkSpec, keys: Sequence[str]) -> DataFrame:
    """The winning row of each combination of `keys`: the greatest sequence, of equal ones the greater whole row."""
    sequence = [_never_null(name) for name in sink.sequence_by]
    whole = F.struct(*sequence, F.struct(*columns_of(rows.columns)).alias(_ROW))
    greatest = rows.groupBy(*columns_of(keys)).agg(F.max(whole).alias("_etl_best"))
    return greatest.select(f"_etl_best.{_ROW}.*")


def _never_null(name: str) -> Column:
    message = f"[{markers.NULL_SEQUENCE}] sequence_by column '{name}' is NULL"
    column = columns_of([name])[0]
    return F.when(column.isNull(), F.raise_error(message)).otherwise(column).alias(f"_etl_by_{name}")
