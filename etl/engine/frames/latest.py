"""The latest row of each key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation
from pyspark.sql.types import ArrayType, DoubleType, FloatType, StructType

from etl.config.schema.identifiers import quoted
from etl.engine.faults import markers
from etl.engine.frames.identifiers import columns as columns_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from etl.config.spec import SinkSpec

_ROW = "_etl_row"


def latest_per_key(rows: DataFrame, sink: SinkSpec, keys: Sequence[str]) -> DataFrame:
    """The row with the greatest `sequence_by` of each combination of `keys`, of equal ones the greater whole row; the columns of `rows`.

    Computing it fails at a row whose sequence is NULL.
    """
    sequence = [_never_null(name) for name in sink.sequence_by]
    zeros = [F.expr(text).alias(f"_etl_zero_{i}") for i, text in enumerate(zeros_apart(rows.schema))]
    whole = F.struct(*sequence, F.struct(*columns_of(rows.columns)).alias(_ROW), *zeros)
    greatest = rows.groupBy(*columns_of(keys)).agg(F.max(whole).alias("_etl_best"))
    return greatest.select(f"_etl_best.{_ROW}.*")


def zeros_apart(schema: StructType, prefix: str = "") -> list[str]:
    """SQL expressions that order rows which differ by nothing but the sign of a zero: to Spark -0.0 and 0.0 are equal, and any could be taken.

    `prefix`: stands before each column's name (`t.`).
    """
    orders = []
    for field in schema.fields:
        name, kind = prefix + quoted(field.name), field.dataType
        if isinstance(kind, FloatType | DoubleType):
            orders.append(f"CASE WHEN {name} = 0 THEN CAST({name} AS STRING) END")
        elif isinstance(kind, ArrayType | StructType) and re.search(r"\b(float|double)\b", kind.json()):
            orders.append(f"to_json(struct({name}))")
    return orders


def _never_null(name: str) -> Column:
    message = f"[{markers.NULL_SEQUENCE}] sequence_by column '{name}' is NULL"
    column = columns_of([name])[0]
    return F.when(column.isNull(), F.raise_error(message)).otherwise(column).alias(f"_etl_by_{name}")
