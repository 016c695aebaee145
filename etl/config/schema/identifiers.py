"""Names in SQL: quoted, so that a name is never read as code."""

from __future__ import annotations


def quoted(name: str) -> str:
    """One identifier (a column, a field, one part of a table's name) as Spark's SQL takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"
