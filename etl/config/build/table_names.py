"""Names of tables in a catalog."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.config.schema import identifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.build.given import Given
    from etl.config.document.document import Path_
    from etl.config.grammar import models
    from etl.config.spec import FlowSpec

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_MOST_PARTS = 3


def build_table_name(given: Given, text: str, prefix: str | None, what: str, path: Path_) -> str:
    """A table's whole name, under the environment's prefix where there is one: one to three parts, such as `dev.raw.orders`.

    `what` names in messages whose table it is, `path` is where the name stands.
    """
    name = f"{prefix}.{text}" if prefix else text
    parts = name.split(".")
    wrong = next((part for part in parts if not _PART.fullmatch(part)), None)
    if wrong is not None:
        message = f"{what}: '{name}' is no name of a table: '{wrong}' is none of its parts"
        hint = "letters, digits, _ and -, in parts with dots between them: [[catalog.]schema.]table"
        given.report("E209", message, path, hint)
    elif len(parts) > _MOST_PARTS:
        message = f"{what}: '{name}' has {len(parts)} parts, and a table's name has at most {_MOST_PARTS}"
        hint = f"the environment puts '{prefix}' before it" if prefix else "[[catalog.]schema.]table"
        given.report("E209", message, path, hint)
    return name


def quoted(name: str) -> str:
    """A checked table's name as SQL takes it, each part quoted by itself."""
    return ".".join(identifiers.quoted(part) for part in name.split("."))


def with_tables(
    given: Given, flows: Sequence[FlowSpec], model: models.Pipeline, catalog: str | None
) -> tuple[FlowSpec, ...]:
    """The flows with the whole names of their tables; two flows never share one, however it is written."""
    owners: dict[str, str] = {}
    named = []
    for flow in flows:
        written = model.flows[flow.name].sink.table
        if written is None:
            named.append(flow)
            continue
        path = ("flows", flow.name, "sink", "table")
        table = build_table_name(given, written, catalog, f"flow '{flow.name}'", path)
        owner = owners.setdefault(table.lower(), flow.name)
        if owner != flow.name:
            message = f"flows '{owner}' and '{flow.name}' would both be the table '{table}'"
            given.report("E206", message, path, "give each its own name")
        named.append(replace(flow, sink=replace(flow.sink, table=table)))
    return tuple(named)
