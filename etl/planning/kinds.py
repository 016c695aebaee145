"""The kinds of processing, as far as they matter before Spark is asked: what an epoch of each reads, and what is kept between epochs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.spec import Strategy

Kind = Literal["rows", "groups", "state", "full"]


@dataclass(frozen=True, slots=True)
class KindTraits:
    """What sets a kind apart from the others.

    Attributes:
        default_strategy: Where its rows go when the flow's sink names no strategy.
        streams: Whether its epochs are micro-batches of a stream with a checkpoint of Spark's; else each epoch reads its inputs whole.
        keeps_state: Whether Spark's stateful operators keep something from epoch to epoch.
        needs_whole_inputs: Whether what an epoch writes depends on all rows of its inputs, not on the new ones alone.
        is_row_by_row: Whether each row of the output depends on one row of the changes input.
        has_parts: Whether a part of its target can be recomputed by itself.
    """

    default_strategy: Strategy
    streams: bool = True
    keeps_state: bool = False
    needs_whole_inputs: bool = False
    is_row_by_row: bool = False
    has_parts: bool = False


KIND_TRAITS: Mapping[Kind, KindTraits] = {
    "rows": KindTraits("append", is_row_by_row=True, has_parts=True),
    "groups": KindTraits("replace", needs_whole_inputs=True, has_parts=True),
    "state": KindTraits("append", keeps_state=True),
    "full": KindTraits("overwrite", streams=False, needs_whole_inputs=True),
}


def stored_kind(name: object) -> Kind:
    """The kind that a stored record names; `rows` where it names none, or none that is known."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    return next((kind for kind in kinds if kind == name), "rows")
