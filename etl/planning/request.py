"""A run as somebody asks for it, before anything is planned. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.config.spec import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is asked of a run; without any field every flow runs, in its own mode, and goes on where it ended.

    Attributes:
        mode: Of every flow; None: each flow's own.
        trigger: `available_now`, the interval at which the streams run again, or `continuous`; None: each flow's own.
        select: Selectors of the flows to run, such as `+orders` or `tag:nightly`; empty: all.
        exclude: Selectors of the flows to leave out.
        full_refresh: Rebuild the flows in a new generation, whatever is there.
        allow_history_loss: Rebuild a flow even where rows that it wrote can no longer be read.
        wait_s: For how many seconds each flow waits where another run works on it; 0: it fails at once.
    """

    mode: Mode | None = None
    trigger: str | None = None
    select: Sequence[str] = ()
    exclude: Sequence[str] = ()
    full_refresh: bool = False
    allow_history_loss: bool = False
    wait_s: float = 0.0
