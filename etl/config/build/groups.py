"""The groups of a flow: what each of their columns is of a row of each changes input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import models
from etl.config.spec import GroupSpec
from etl.config.sql.expressions import check_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.document.document import Document
    from etl.config.spec import InputSpec


def build(
    document: Document, flow: str, model: models.Flow, inputs: Sequence[InputSpec], found: list[Diagnostic]
) -> tuple[GroupSpec, ...]:
    """The columns of `incremental: {groups: …}`; none for the other kinds. What is wrong with them is added to `found`."""
    if not isinstance(model.incremental, models.Groups):
        return ()
    changes = [item.name for item in inputs if item.read == "changes"]
    columns: list[GroupSpec] = []
    for column, given in model.incremental.groups.items():
        path = ("flows", flow, "incremental", "groups", column)
        if column.lower() in {known.column.lower() for known in columns}:
            message = f"flow '{flow}': '{column}' stands twice in groups"
            hint = "keep one of them; capitals make no difference"
            found.append(Diagnostic("E237", message, document.place(path, key=True), hint))
        of = dict.fromkeys(changes, given) if isinstance(given, str) else given
        for name in of:
            if name not in changes:
                found.append(
                    Diagnostic(
                        "E240",
                        f"group '{column}' of flow '{flow}' is given for '{name}', which is no changes input",
                        document.place((*path, name), key=True),
                        did_you_mean(name, changes) or f"the changes inputs are: {', '.join(changes) or 'none'}",
                    )
                )
        for name in changes:
            if name not in of:
                found.append(
                    Diagnostic(
                        "E240",
                        f"group '{column}' of flow '{flow}' says nothing of the changes input '{name}'",
                        document.place(path, key=True),
                        f"add {name}: and the expression, or read it as a snapshot",
                    )
                )
        for name, expression in of.items() if isinstance(given, dict) else [("", given)]:
            at = document.locate((*path, name) if name else path, expression)
            found += check_expression(expression, at, f"group '{column}'")
        columns.append(
            GroupSpec(column, tuple((name, of[name]) for name in changes if name in of), document.place(path, key=True))
        )
    return tuple(columns)
