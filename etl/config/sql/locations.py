"""Where in a flow's SQL something is said: what a plan tells no place of, and what Spark tells by a line and a column of the text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.spec import SqlTransform
from etl.config.sql.lexical import scan

if TYPE_CHECKING:
    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec


_AT = re.compile(r"line (\d+),? (pos|position) (\d+)")
_QUOTED = re.compile(r"== SQL[^\n]*==\n([^\n]*)")


def place_in_error(flow: FlowSpec, text: str) -> Location | None:
    """The place in the user's file of an error of Spark's, which tells line and column of the SQL that it quotes; None where it tells none."""
    position, quoted = _AT.search(text), _QUOTED.search(text)
    if position is None:
        return None
    line, column = int(position[1]), int(position[3]) - (position[2] == "position")  # which counts from 1
    for part in (flow, *flow.views):
        transform = part.transform
        if not isinstance(transform, SqlTransform) or (quoted is not None and quoted[1].strip() not in transform.text):
            continue
        lines = transform.text.split("\n")
        if line <= len(lines) and column <= len(lines[line - 1]):
            name = re.match(r"\w+", lines[line - 1][column:])
            return transform.place(
                sum(len(item) + 1 for item in lines[: line - 1]) + column, len(name[0]) if name else 1
            )
    return None


def place_of(flow: FlowSpec, pattern: str) -> Location:
    """The first place that the pattern's first group matches in the flow's SQL, or in that of its views; of Python the flow's own."""
    for part in (flow, *flow.views):
        transform = part.transform
        if isinstance(transform, SqlTransform):
            match = re.search(pattern, scan(transform.text).bare, re.IGNORECASE)
            if match is not None:
                return transform.place(match.start(1), len(match.group(1)))
    return flow.at
