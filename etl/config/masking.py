"""Values that no person should see: `columns: {name: {sensitive: true}}`. Whatever shows rows asks here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from etl.config.spec import FlowSpec

MASK = "***"


def sensitive(flow: FlowSpec) -> frozenset[str]:
    """The flow's sensitive columns, in lower case, since names of columns are."""
    return frozenset(item.name.lower() for item in flow.columns if item.sensitive)


def masked(row: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """`row` as a person may see it: of `columns` only whether there is a value."""
    hidden = {name.lower() for name in columns}
    return {name: MASK if name.lower() in hidden and value is not None else value for name, value in row.items()}
