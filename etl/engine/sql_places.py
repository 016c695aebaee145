"""Where in a flow's SQL something is said that a plan tells no place of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.query import shift
from etl.config.spec import SqlTransform

if TYPE_CHECKING:
    from etl.config.diagnostics import Location
    from etl.config.spec import FlowSpec


def place_of(flow: FlowSpec, pattern: str) -> Location:
    """The first place that the pattern's first group matches in the flow's SQL, or in that of its views; of Python the flow's own."""
    for part in (flow, *flow.views):
        transform = part.transform
        if isinstance(transform, SqlTransform):
            for number, line in enumerate(transform.text.splitlines(), 1):
                found = re.search(pattern, line, re.IGNORECASE)
                if found is not None:
                    return shift(transform.at, transform.text, number, found.start(1) + 1, len(found.group(1)))
    return flow.at
