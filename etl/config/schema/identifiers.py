"""Names in SQL: how they are quoted, so that a name is never read as code, and the columns that others than the user name."""

from __future__ import annotations

VERSION_COLUMNS = ("valid_from", "valid_to", "is_current")
"""The columns that scd2 adds to those of its rows."""

FEED_COLUMNS = ("_change_type", "_commit_version", "_commit_timestamp")
"""The columns that a table's change feed has beside the table's own (https://docs.delta.io/latest/delta-change-data-feed.html)."""


def quoted(name: str) -> str:
    """One identifier (a column, a field, one part of a table's name) as Spark's SQL takes it, whatever is in it."""
    return "`" + name.replace("`", "``") + "`"
