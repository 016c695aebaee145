"""Two sets of rows compared as multisets, and what differs between them, row by row.

Equal is what the modes must keep equal: null = null, NaN = NaN, floats within a relative 1e-9, maps and rows in any order; or what a
flow's `equality:` says of a column.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from etl.config.spec import EqualitySpec

    Row = Mapping[str, Any]

_RELATIVE = 1e-9
_MOST_PAIRED = 2000
_MOST_COMPARED = 200  # rows without a partner are matched each with each


@dataclass(frozen=True, slots=True)
class Rule:
    """When two values of a column are equal."""

    rel: float = _RELATIVE
    abs: float = 0.0
    numbers: bool = False  # the tolerance is of whole numbers and decimals, too
    unordered: bool = False  # arrays hold their elements in any order


_EXACTLY = Rule()


def rules_of(equality: EqualitySpec) -> dict[str, Rule]:
    """Column, in lower case → when its values are equal; without the columns that are compared as they are."""
    found = {name.lower(): Rule(unordered=True) for name in equality.unordered}
    for item in equality.near:
        found[item.column.lower()] = Rule(item.rel or 0.0, item.abs or 0.0, numbers=True)
    return found


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
    beyond: int = 0  # rows that differ, too, and were not looked at

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
    equality: EqualitySpec | None = None,
    most: int = _MOST_PAIRED,
) -> Difference | None:
    """What differs in `columns`; None where nothing does. Rows of the same `keys`, or else the likest, are put side by side.

    `equality`: what the flow says of it; the columns that it ignores are left out. `most`: rows of each side that are looked at.
    """
    rules = rules_of(equality) if equality is not None else {}
    ignored = {name.lower() for name in equality.ignore} if equality is not None else set()
    columns = tuple(name for name in columns if name.lower() not in ignored)
    rule_of = {name: rules.get(name.lower(), _EXACTLY) for name in columns}
    wanted, found, equal = _unequal(expected, actual, rule_of)
    if not wanted and not found:
        return None
    usable = tuple(key for key in keys if key in columns)
    by_keys = usable if usable and len(usable) == len(keys) else ()
    beyond = max(0, len(wanted) - most, len(found) - most)
    if beyond and by_keys:  # so that rows of one key are among those that are looked at, on both sides
        wanted, found = (
            sorted(rows, key=lambda row: repr([row.get(name) for name in by_keys])) for rows in (wanted, found)
        )
    pairs = _paired(wanted[:most], found[:most], rule_of, by_keys)
    return Difference(of, columns, by_keys, tuple(pairs), equal, frozenset(masked), beyond)


def same(left: Any, right: Any, rule: Rule = _EXACTLY) -> bool:
    """Whether two values are equal."""
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=rule.rel, abs_tol=rule.abs)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key], rule) for key, item in left.items())
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        if len(left) != len(right):
            return False
        if rule.unordered:
            return _same_elements(left, right, rule)
        return all(same(one, other, rule) for one, other in zip(left, right, strict=True))
    if rule.numbers and _is_exact(left) and _is_exact(right):
        apart = abs(Decimal(left) - Decimal(right))
        greater = max(abs(Decimal(left)), abs(Decimal(right)))
        return apart <= max(Decimal(rule.rel) * greater, Decimal(rule.abs))
    return type(left) is type(right) and bool(left == right)


def _is_exact(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _same_elements(left: Sequence[Any], right: Sequence[Any], rule: Rule) -> bool:
    rest = list(right)
    for item in left:
        index = next((i for i, other in enumerate(rest) if same(item, other, rule)), None)
        if index is None:
            return False
        del rest[index]
    return True


def _unequal(
    expected: Sequence[Row], actual: Sequence[Row], columns: Mapping[str, Rule]
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


def _rough(row: Row, columns: Mapping[str, Rule]) -> Any:
    """What equal rows have in common: everything but numbers that need only be near."""
    return tuple(_frozen(row.get(name), rule) for name, rule in columns.items())


def _frozen(value: Any, rule: Rule) -> Any:
    if isinstance(value, float):
        return float
    if rule.numbers and _is_exact(value):
        return Decimal
    if isinstance(value, dict):
        return frozenset(
            (key if not isinstance(key, float) else float, _frozen(item, rule)) for key, item in value.items()
        )
    if isinstance(value, tuple | list):
        items = [_frozen(item, rule) for item in value]
        return frozenset(Counter(items).items()) if rule.unordered else tuple(items)
    return (type(value), value)


def _differing(left: Row, right: Row, columns: Mapping[str, Rule]) -> tuple[str, ...]:
    return tuple(name for name, rule in columns.items() if not same(left.get(name), right.get(name), rule))


def _paired(wanted: list[Row], found: list[Row], columns: Mapping[str, Rule], keys: Sequence[str]) -> list[Pair]:
    by_keys = {name: columns[name] for name in keys}
    pairs: list[Pair] = []
    alone: list[Row] = []
    rest = list(found)
    for row in wanted:
        candidates = (
            rest[:_MOST_COMPARED] if not keys else [item for item in rest if not _differing(row, item, by_keys)]
        )
        best = min(candidates, key=lambda item: len(_differing(row, item, columns)), default=None)
        # Without keys, rows that share less than half of their values are not the same row with other values.
        if best is None or (not keys and 2 * len(_differing(row, best, columns)) > len(columns)):
            alone.append(row)
            continue
        del rest[
            next(index for index, item in enumerate(rest) if item is best)
        ]  # one of them: a row may be there twice
        pairs.append(Pair(row, best, _differing(row, best, columns)))
    return [*pairs, *(Pair(row, None) for row in alone), *(Pair(None, row) for row in rest)]
