"""What a kind hands on: all that a sink ever sees of a transform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from etl.engine.frames.tally import Counted
    from etl.planning.position import Pin, Position


@dataclass(frozen=True, slots=True)
class Groups:
    """The rows of the target that share one of these combinations of values: each once, in columns named as the target's."""

    affected: DataFrame
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the target for which a SQL condition holds."""

    condition: str


Replaces: TypeAlias = Literal["nothing", "all"] | Groups | Rows


@dataclass(frozen=True, slots=True)
class Span:
    """What an epoch reads: after `start` (None: from the beginning), up to `to`.

    Attributes:
        pins: Input → where it can be read whole fast: a snapshot at its version, a changes input at the epoch's end.
        replacement_reads: Input → what is read in place of a micro-batch that Spark's stream would misread.
    """

    start: Position | None
    to: Position
    pins: Mapping[str, Pin]
    replacement_reads: Mapping[str, Pin] = field(default_factory=dict)
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class ParsedInput:
    """One input of an epoch, parsed, with what did not parse and the tally of both.

    Attributes:
        malformed: The text of each row that did not parse, and where it lay; None where nothing is to be kept.
        tally: `read` and `malformed`; None for snapshots, which are not counted.
    """

    parsed: DataFrame
    malformed: DataFrame | None
    tally: Counted | None


@dataclass(frozen=True, slots=True)
class Output:
    """The transform's rows, what they replace in the target, and the inputs they came from."""

    rows: DataFrame
    replaces: Replaces
    parsed_inputs: Mapping[str, ParsedInput]
