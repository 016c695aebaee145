"""The strategies of sinks: the built-in ones by name, and what may be said of a plug-in's. No Spark here, as in `formats`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydantic import BaseModel


STRATEGIES = ("append", "merge", "scd2", "replace", "overwrite", "view")


@dataclass(frozen=True, slots=True)
class SinkStrategy:
    """A way into the target that a plug-in brings.

    opens: `module:function`, what a built-in sink is: called by `etl/engine/run/epoch_commit.py` alone, with (job, session, rows, replaces, stamp).
    takes: rows, of which an epoch brings what is new, and the target never loses or changes any; or full, all of them each time.
    options: name → meaning, or a pydantic model, of what `sink.options` may hold.
    """

    opens: str
    takes: Literal["rows", "full"] = "rows"
    options: Mapping[str, str] | type[BaseModel] = field(default_factory=dict)
