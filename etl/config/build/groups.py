"""The groups of a flow: what each of their columns is of a row of each changes input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.config.build.per_input import check_per_input
from etl.config.grammar import models
from etl.config.spec import GroupSpec
from etl.config.sql.expressions import check_expression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.build.given import Given
    from etl.config.document.document import Path_
    from etl.config.spec import InputSpec


def build_groups(given: Given, flow: str, model: models.Flow, inputs: Sequence[InputSpec]) -> tuple[GroupSpec, ...]:
    """The columns of `incremental: {groups: …}`; none for the other kinds of processing."""
    if not isinstance(model.incremental, models.Groups):
        return ()
    changes = [each.name for each in inputs if each.read == "changes"]
    groups: list[GroupSpec] = []
    for column, value in model.incremental.groups.items():
        path = ("flows", flow, "incremental", "groups", column)
        if column.lower() in {group.column.lower() for group in groups}:
            hint = "keep one of them; capitals make no difference"
            given.report("E237", f"flow '{flow}': '{column}' stands twice in groups", path, hint, key=True)
        expressions = dict.fromkeys(changes, value) if isinstance(value, str) else value
        subject = f"group '{column}' of flow '{flow}'"
        check_per_input(given, "E240", subject, expressions, changes, path, addition="the expression")
        texts: dict[Path_, str]
        texts = {path: value} if isinstance(value, str) else {(*path, name): text for name, text in value.items()}
        for place, text in texts.items():
            locate = given.document.locate(place, text)
            given.diagnostics.extend(check_expression(text, locate, f"group '{column}'", given.params_of(flow)))
        by_input = tuple((name, expressions[name]) for name in changes if name in expressions)
        groups.append(GroupSpec(column, by_input, given.document.place(path, key=True)))
    return tuple(groups)
