"""The tables of a demo as DuckDB makes them from the landed files, and how what was stored differs from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.support.independent import connection, differences, register


class TableOracle:
    """DuckDB over what landed, with the tables it must come to. A subclass makes the inputs, then calls `make_tables`.

    Attributes:
        queries: Table, or a step towards one → the query that makes it of those before it.
        paths: Table or quarantine → where it is stored, below the storage.
        floats: Table → its columns that are compared to nine significant digits.
    """

    queries: ClassVar[Mapping[str, str]]
    paths: ClassVar[Mapping[str, str]]
    floats: ClassVar[Mapping[str, Sequence[str]]] = {}

    def __init__(self) -> None:
        self.duck = connection()

    def make_tables(self) -> None:
        """Make every table of `queries`, in their order."""
        for name, query in self.queries.items():
            self.duck.execute(f"CREATE TABLE {name} AS {query}")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, each by column."""
        return self.duck.sql(query).to_arrow_table().to_pylist()

    def differences(self, storage: Path) -> dict[str, list[str]]:
        """For each table and quarantine under `storage` that is not what it must be: how it differs."""
        wrong = {}
        for name, path in self.paths.items():
            register(self.duck, "actual", storage / path)
            differing = differences(self.duck, "actual", name, tuple(self.floats.get(name, ())))
            if differing:
                wrong[name] = differing
        return wrong
