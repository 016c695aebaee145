"""Rows chosen by keys that another frame has."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.engine.frames.identifiers import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

_KEY = "_etl_key_"


def rows_with(frame: DataFrame, values: Sequence[Column], keys: DataFrame, *, broadcast: bool = True) -> DataFrame:
    """The rows of `frame`, with its columns, whose `values` are those of a row of `keys`; NULL is equal to NULL.

    `keys` has one column a value, in the same order, whatever they are called. `broadcast`: every task can hold all of them.
    """
    named = keys.select(*(column.alias(f"{_KEY}{i}") for i, column in enumerate(columns(keys.columns))))
    same = [value.eqNullSafe(F.col(f"{_KEY}{i}")) for i, value in enumerate(values)]
    condition = reduce(lambda left, right: left & right, same)
    return frame.join(F.broadcast(named) if broadcast else named, condition, "left_semi")
