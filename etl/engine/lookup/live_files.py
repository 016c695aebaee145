"""What the newest version of a Delta table holds, by delta-rs: its checkpoints tell it where the log was cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from arro3.core import Table
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from etl.engine.lookup.delta_table import storage_options
from etl.engine.metadata.offset_log import decode
from etl.planning.maintenance import DataFile

if TYPE_CHECKING:
    from typing import Any


def live_files(table: str) -> tuple[DataFile, ...] | None:
    """The files of a table's newest version; None where delta-rs cannot open the table: there is none, or it is of a kind that it does not know.

    Which of them a clustering wrote it does not tell: they count as clustered, and are not rewritten for that.
    """
    path = decode(table)
    try:
        delta = DeltaTable(path, storage_options=storage_options(path))
    except DeltaError:
        return None
    actions = Table.from_arrow(delta.get_add_actions(flatten=False)).to_struct_array()
    rows = cast("list[dict[str, Any]]", actions.to_pylist())
    return tuple(
        DataFile(
            unquote(str(row["path"])),
            int(row["size_bytes"]),
            tuple(
                sorted(
                    (str(name), None if value in (None, "") else str(value))
                    for name, value in (row.get("partition") or {}).items()
                )
            ),
            is_clustered=True,
        )
        for row in rows
    )
