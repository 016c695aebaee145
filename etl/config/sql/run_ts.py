"""`run_ts()` in a transform's SQL: the instant at which its epoch began, recorded in the epoch's commits.

It is no function of Spark's. Before Spark sees the text, a parameter as long as the call takes its place, so that places in messages stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.config.spec import SqlTransform
from etl.config.sql.lexical import scan

if TYPE_CHECKING:
    from etl.config.spec import FlowSpec

NAME = "run_ts"
PARAMETER = "_run_ts"
_CALL = re.compile(rf"(?<![\w.:]){NAME}[ \t]*\([ \t]*\)", re.IGNORECASE)


def says(flow: FlowSpec) -> bool:
    """Whether the flow's SQL, or that of a view in it, asks for the instant."""
    transforms = (part.transform for part in (flow, *flow.views))
    return any(isinstance(item, SqlTransform) and found_in(item.text) for item in transforms)


def found_in(text: str) -> bool:
    """Whether a text of SQL calls it; strings, comments and quoted names do not count."""
    return _CALL.search(scan(text).bare) is not None


def first(text: str) -> int:
    """The offset of the first call in a text of SQL; 0 where it has none."""
    match = _CALL.search(scan(text).bare)
    return match.start() if match is not None else 0


def bound(text: str, *, recorded: str | None) -> str:
    """The text with the parameter in place of each call; without a recorded instant, with the clock itself, as volatile as it is."""
    instead = f":{PARAMETER}" if recorded is not None else "now()"
    for match in _CALL.finditer(scan(text).bare):
        text = text[: match.start()] + instead.ljust(len(match.group())) + text[match.end() :]
    return text
