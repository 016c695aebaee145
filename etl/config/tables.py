"""Names of tables in a catalog."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic

if TYPE_CHECKING:
    from etl.config.diagnostics import Location

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_MOST_PARTS = 3


def table_name(text: str, prefix: str | None, what: str, at: Location, found: list[Diagnostic]) -> str:
    """A table's name under the environment's prefix, checked: one to three parts, such as `dev.raw.orders`."""
    whole = f"{prefix}.{text}" if prefix else text
    parts = whole.split(".")
    wrong = next((part for part in parts if not _PART.fullmatch(part)), None)
    if wrong is not None:
        found.append(
            Diagnostic(
                "E209",
                f"{what}: '{whole}' is no name of a table: '{wrong}' is none of its parts",
                at,
                "letters, digits, _ and -, in parts with dots between them: [[catalog.]schema.]table",
            )
        )
    elif len(parts) > _MOST_PARTS:
        message = f"{what}: '{whole}' has {len(parts)} parts, and a table's name has at most {_MOST_PARTS}"
        hint = f"the environment puts '{prefix}' before it" if prefix else "[[catalog.]schema.]table"
        found.append(Diagnostic("E209", message, at, hint))
    return whole


def quoted(name: str) -> str:
    """A checked name as SQL takes it."""
    return ".".join(f"`{part}`" for part in name.split("."))
