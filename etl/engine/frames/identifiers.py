"""Names in Spark SQL: always quoted, so that a name is never read as code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812  # the field's own abbreviation

from etl.config.schema.identifiers import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import Column


def columns(names: Iterable[str]) -> list[Column]:
    """Columns of those very names; a dot in a name is part of it."""
    return [F.col(quoted(name)) for name in names]


def table(path: str) -> str:
    """The Delta table at a path, as SQL."""
    return "delta." + quoted(path)


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Names in a row, as INSERT takes them."""
    return ", ".join(prefix + quoted(name) for name in names)


def assigned(names: Iterable[str]) -> str:
    """Each column given the value of the row `s`, as UPDATE takes them."""
    return ", ".join(f"{quoted(name)} = s.{quoted(name)}" for name in names)
