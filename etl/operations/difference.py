"""Two sets of rows compared as multisets, and what differs between them, row by row.

Equal is what the modes must keep equal: null = null, NaN = NaN, floats within a relative 1e-9, maps and rows in any order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Row = Mapping[str, Any]

_RELATIVE = 1e-9
_MOST_COMPARED = 200  # rows without a partner are matched each with each


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected row and the actual one beside it; one of them is None where it has no partner."""

    expected: Row | None
    actual: Row | None
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows by which a table is not what was expected; never empty."""

    of: str  # the target, or the quarantine
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    pairs: tuple[Pair, ...]
    equal: int  # rows that are as expected
    masked: frozenset[str] = frozenset()  # columns whose values are never shown

    @property
    def missing(self) -> int:
        """The expected rows that are not there, nor a row like them."""
        return sum(pair.actual is None for pair in self.pairs)

    @property
    def unexpected(self) -> int:
        """The rows that nobody expects."""
        return sum(pair.expected is None for pair in self.pairs)

    @property
    def different(self) -> int:
        """The rows that are there, with other values."""
        return len(self.pairs) - self.missing - self.unexpected


def compare(
    expected: Sequence[Row],
    actual: Sequence[Row],
    *,
    of: str,
    columns: Sequence[str],
    keys: Sequence[str] = (),
    masked: Iterable[str] = (),
) -> Difference | None:
    """What differs in `columns`; None where nothing does. Rows of the same `keys`, or else the likest, are put side by side."""
    wanted, found, equal = _unequal(expected, actual, columns)
    if not wanted and not found:
        return None
    usable = tuple(key for key in keys if key in columns)
    by_keys = usable if usable and len(usable) == len(keys) else ()
    return Difference(
        of, tuple(columns), by_keys, tuple(_paired(wanted, found, columns, by_keys)), equal, frozenset(masked)
    )


def same(left: Any, right: Any) -> bool:
    """Whether two values are equal."""
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=_RELATIVE)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


def _unequal(
    expected: Sequence[Row], actual: Sequence[Row], columns: Sequence[str]
) -> tuple[list[Row], list[Row], int]:
    """The rows of each side that have no equal on the other, and how many have."""
    buckets: dict[Any, list[Row]] = defaultdict(list)
    for row in actual:
        buckets[_rough(row, columns)].append(row)
    missing = []
    for row in expected:
        there = buckets[_rough(row, columns)]
        index = next((i for i, item in enumerate(there) if not _differing(row, item, columns)), None)
        if index is None:
            missing.append(row)
        else:
            del there[index]
    left = [row for rows in buckets.values() for row in rows]
    return missing, left, len(expected) - len(missing)


def _rough(row: Row, columns: Sequence[str]) -> Any:
    """What equal rows have in common: everything but floats."""
    return tuple(_frozen(row.get(name)) for name in columns)


def _frozen(value: Any) -> Any:
    if isinstance(value, float):
        return float
    if isinstance(value, dict):
        return frozenset((key if not isinstance(key, float) else float, _frozen(item)) for key, item in value.items())
    return tuple(map(_frozen, value)) if isinstance(value, tuple | list) else (type(value), value)


def _differing(left: Row, right: Row, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if not same(left.get(name), right.get(name)))


def _paired(wanted: list[Row], found: list[Row], columns: Sequence[str], keys: Sequence[str]) -> list[Pair]:
    pairs: list[Pair] = []
    alone: list[Row] = []
    rest = list(found)
    for row in wanted:
        candidates = rest[:_MOST_COMPARED] if not keys else [item for item in rest if not _differing(row, item, keys)]
        best = min(candidates, key=lambda item: len(_differing(row, item, columns)), default=None)
        # Without keys, rows that share less than half of their values are not the same row with other values.
        if best is None or (not keys and 2 * len(_differing(row, best, columns)) > len(columns)):
            alone.append(row)
            continue
        rest = [item for item in rest if item is not best]
        pairs.append(Pair(row, best, _differing(row, best, columns)))
    return [*pairs, *(Pair(row, None) for row in alone), *(Pair(None, row) for row in rest)]
