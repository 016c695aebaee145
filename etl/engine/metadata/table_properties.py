"""What we, and Delta, keep in the metadata of a table."""

from __future__ import annotations

FEED = "delta.enableChangeDataFeed"
"""The property of a table that makes it tell which rows came and went."""

COLUMN_MAPPING = "delta.columnMapping.mode"
"""The property of a table whose columns may have any name."""

GENERATION = "etl.generation"
"""The key, in the metadata of a table's first column, of the generation that made the table what it is."""
