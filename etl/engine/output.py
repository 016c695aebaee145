"""What a kind hands on: all that a sink ever sees of a transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from etl.engine.sources.pin import Pin
    from etl.engine.tally import Tally
    from etl.planning.plan import Position

Replaces = Literal["nothing", "all"]


@dataclass(frozen=True, slots=True)
class Span:
    """What an epoch reads: after `frm` (None: from the beginning), up to `to`; `pins` hold the static inputs fast."""

    frm: Position | None
    to: Position
    pins: Mapping[str, Pin]
    instead: Pin | None = None  # of the micro-batch, where Spark's stream would misread it


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input of an epoch, parsed, with what did not parse and the tally of both."""

    parsed: DataFrame
    malformed: DataFrame | None  # one column, the text; None where nothing is to be kept
    tally: Tally | None  # `read` and `malformed`; None for snapshots, which are not counted
    cached: DataFrame | None  # to be released after the epoch


@dataclass(frozen=True, slots=True)
class Output:
    """The transform's rows, what they replace in the target, and the inputs they came from."""

    rows: DataFrame
    replaces: Replaces
    arrivals: Mapping[str, Arrival]
