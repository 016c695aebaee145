"""A Delta table as delta-rs reads it, and what keeps it from reading one right.

delta-rs 1.6.6, as it was found: a table with type widening, VARIANT shredding or `vacuumProtocolCheck` opens and cannot be read; a VARIANT
reads as a struct of its bytes; INT96 timestamps beyond 1677 to 2262 read as other instants, without a word.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arro3.core import Table
from deltalake import DeltaTable, QueryBuilder

from etl.config.object_uris import bucket_of, is_object
from etl.engine.metadata.offset_log import decode
from etl.engine.metadata.parquet_footer import INT96, physical_types
from etl.engine.storage.places import place

if TYPE_CHECKING:
    from collections.abc import Collection

    from arro3.core import RecordBatch

_READ_RIGHT = frozenset({"columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "variantType"})
_FOOTERS = 1000  # of more files than that, Spark reads the table sooner than we their footers
_SETTINGS = {"datafusion.sql_parser.enable_ident_normalization": "true"}  # a name without quotes is one in lower case
_STORED = "_etl_stored"


class Unreadable(Exception):
    """delta-rs cannot read a table, or would read it wrong; the message says why."""


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A version of a Delta table, under the name that queries have for it."""

    name: str
    delta: DeltaTable

    @property
    def version(self) -> int:
        """The version that is read."""
        return self.delta.version()

    @property
    def column_names(self) -> tuple[str, ...]:
        """The table's columns, in their order."""
        return tuple(field.name for field in self.delta.schema().fields)

    def whole(self) -> Table:
        """All rows, as an Arrow table."""
        return QueryBuilder().register(_STORED, self.delta).execute(f"SELECT * FROM {_STORED}").read_all()

    def query(self, sql: str, *, limit: int, hidden: Collection[str] = (), mask: str = "") -> Table:
        """The first `limit` rows of a query, or fewer; of the `hidden` columns, in lower case, only whether there is a value: `mask`.

        The query is DataFusion's SQL. A name without quotes means a column in whatever letters it is written.
        Raises DeltaError where it is no valid query, Exception where it fails while it reads.
        """
        engine = QueryBuilder(_SETTINGS).register(_STORED, self.delta)
        engine.execute(f'CREATE VIEW "{self.name}" AS SELECT {", ".join(self._selected(hidden, mask))} FROM {_STORED}')
        reader = engine.execute(sql)
        batches: list[RecordBatch] = []
        while (missing := limit - sum(batch.num_rows for batch in batches)) > 0:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                break
            batches.append(batch.slice(0, min(batch.num_rows, missing)))
        return Table.from_batches(batches, schema=reader.schema)

    def _selected(self, hidden: Collection[str], mask: str) -> list[str]:
        names = self.column_names
        is_plain = len({name.lower() for name in names}) == len(names)
        selected = []
        for name in names:
            stored = _quoted(name)
            value = f"CASE WHEN {stored} IS NULL THEN NULL ELSE '{mask}' END" if name.lower() in hidden else stored
            selected.append(f"{value} AS {_quoted(name.lower() if is_plain else name)}")
        return selected


def open_table(name: str, path: str, *, version: int | None = None, ours: bool) -> OpenTable:
    """A table at a version, or at its newest; `ours`: what other builds of ours wrote was looked at already.

    Raises Unreadable where delta-rs would not read it right, and DeltaError where there is no such version.
    """
    local = decode(path)
    if "://" in local and not is_object(local):
        message = f"it lies in {local.partition('://')[0]}://"
        raise Unreadable(message)
    delta = DeltaTable(local, version=version, storage_options=storage_options(local))
    features = set(delta.protocol().reader_features or ()) - _READ_RIGHT
    if features:
        message = f"it needs {', '.join(sorted(features))}"
        raise Unreadable(message)
    types = delta.schema().to_json()
    if '"variant"' in types:
        message = "it has a VARIANT"
        raise Unreadable(message)
    if '"timestamp"' in types and not ours and _may_hold_int96(delta):
        message = "it has timestamps as INT96"
        raise Unreadable(message)
    return OpenTable(name, delta)


def storage_options(path: str) -> dict[str, str] | None:
    """What delta-rs needs to reach a table: nothing on a local file system."""
    if not is_object(path):
        return None
    from etl.engine.storage.object_store import connection  # noqa: PLC0415  # only who stores in one needs it

    options = {f"aws_{name}": _text(value) for name, value in connection(bucket_of(path)).items()}
    return {**options, "allow_http": "true"}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _may_hold_int96(delta: DeltaTable) -> bool:
    uris = delta.file_uris()
    try:
        return len(uris) > _FOOTERS or any(INT96 in physical_types(place(decode(uri))) for uri in uris)
    except (OSError, ValueError):  # what is damaged or gone, Spark tells of in the words that a run would have
        return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
