"""Names of tables in a catalog."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.grammar import models
    from etl.config.spec import FlowSpec

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


def with_tables(
    flows: Sequence[FlowSpec],
    model: models.Pipeline,
    catalog: str | None,
    document: Document,
    found: list[Diagnostic],
) -> tuple[FlowSpec, ...]:
    """The flows with the whole names of their tables; two flows never share one, however it is written."""
    named: dict[str, str] = {}
    out = []
    for flow in flows:
        written = model.flows[flow.name].sink.table
        if written is None:
            out.append(flow)
            continue
        at = document.place(("flows", flow.name, "sink", "table"))
        name = table_name(written, catalog, f"flow '{flow.name}'", at, found)
        other = named.setdefault(name.lower(), flow.name)
        if other != flow.name:
            message = f"flows '{other}' and '{flow.name}' would both be the table '{name}'"
            found.append(Diagnostic("E206", message, at, "give each its own name"))
        out.append(replace(flow, sink=replace(flow.sink, table=name)))
    return tuple(out)
