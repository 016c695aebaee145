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

from etl.config.masking import sensitive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.config.spec import EqualitySpec, FlowSpec

    Row = Mapping[str, Any]

_RELATIVE = 1e-9
_MOST_PAIRED = 2000
_MOST_COMPARED = 200  # rows without a partner are matched each with each


@dataclass(frozen=True, slots=True)
class Rule:
    """When two values of a column are equal.

    Attributes:
        rel: By how much numbers may differ, as a part of the greater one.
        abs: By how much numbers may differ.
        numbers: Whether that is said of whole numbers and decimals, too.
        unordered: Whether arrays hold their elements in any order.
    """

    rel: float = _RELATIVE
    abs: float = 0.0
    numbers: bool = False
    unordered: bool = False


_EXACTLY = Rule()


def rules_of(equality: EqualitySpec) -> dict[str, Rule]:
    """Column, in lower case → when its values are equal; without the columns that are compared as they are."""
    rules = {name.lower(): Rule(unordered=True) for name in equality.unordered}
    for near in equality.near:
        rules[near.column.lower()] = Rule(near.rel or 0.0, near.abs or 0.0, numbers=True)
    return rules


@dataclass(frozen=True, slots=True)
class Pair:
    """An expected row and the actual one beside it; one of them is None where it has no partner."""

    expected: Row | None
    actual: Row | None
    differing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """The rows by which a table is not what was expected; never empty.

    Attributes:
        of: Which table: the target, or the quarantine.
        columns: The columns that were compared.
        keys: The columns by which rows were put side by side; empty: by how much they have in common.
        pairs: The rows that differ.
        equal: How many rows are as expected.
        masked: Columns whose values are never shown.
        beyond: How many rows differ, too, and are not among the pairs.
    """

    of: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    pairs: tuple[Pair, ...]
    equal: int
    masked: frozenset[str] = frozenset()
    beyond: int = 0

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


@dataclass(frozen=True, slots=True)
class ComparedTable:
    """What is known of a table whose rows are compared.

    Attributes:
        of: How the table is called in what is shown: the target, or the quarantine.
        columns: The columns that are compared.
        keys: The columns that tell rows apart; empty: the likest rows are put side by side.
        masked: Columns whose values are never shown.
        equality: What the flow says of equal values; the columns that it ignores are left out.
    """

    of: str
    columns: Sequence[str]
    keys: Sequence[str] = ()
    masked: Sequence[str] = ()
    equality: EqualitySpec | None = None

    @classmethod
    def of_flow(cls, flow: FlowSpec, of: str, columns: Sequence[str]) -> ComparedTable:
        """A table of that flow's: its target, or its quarantine."""
        hidden = sensitive(flow)
        masked = [name for name in columns if name.lower() in hidden]
        return cls(of, columns, flow.primary_key or flow.sink.keys, masked, flow.equality)


def compare(
    expected: Sequence[Row], actual: Sequence[Row], table: ComparedTable, *, most: int = _MOST_PAIRED
) -> Difference | None:
    """What differs between two sets of a table's rows; None where nothing does.

    Rows of the same keys, or else the likest, are put side by side, at most `most` of each set.
    """
    equality = table.equality
    rules = rules_of(equality) if equality is not None else {}
    ignored = {name.lower() for name in equality.ignore} if equality is not None else set()
    columns = tuple(name for name in table.columns if name.lower() not in ignored)
    rule_of = {name: rules.get(name.lower(), _EXACTLY) for name in columns}
    missing, unexpected, equal = _unequal(expected, actual, rule_of)
    if not missing and not unexpected:
        return None
    present = tuple(key for key in table.keys if key in columns)
    keys = present if len(present) == len(table.keys) else ()
    beyond = max(0, len(missing) - most, len(unexpected) - most)
    if beyond and keys:  # so that rows of one key are among those that are looked at, on both sides
        missing, unexpected = (
            sorted(rows, key=lambda row: repr([row.get(name) for name in keys])) for rows in (missing, unexpected)
        )
    pairs = _paired(missing[:most], unexpected[:most], rule_of, keys)
    return Difference(table.of, columns, keys, tuple(pairs), equal, frozenset(table.masked), beyond)


def same(left: Any, right: Any, rule: Rule = _EXACTLY) -> bool:
    """Whether two values are equal."""
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=rule.rel, abs_tol=rule.abs)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key], rule) for key, value in left.items())
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
    for element in left:
        index = next((i for i, other in enumerate(rest) if same(element, other, rule)), None)
        if index is None:
            return False
        del rest[index]
    return True


def _unequal(
    expected: Sequence[Row], actual: Sequence[Row], columns: Mapping[str, Rule]
) -> tuple[list[Row], list[Row], int]:
    """The expected rows without an equal, the actual ones without one, and how many pairs are equal."""
    buckets: dict[Any, list[Row]] = defaultdict(list)
    for row in actual:
        buckets[_rough(row, columns)].append(row)
    missing = []
    for row in expected:
        candidates = buckets[_rough(row, columns)]
        index = next((i for i, other in enumerate(candidates) if not _differing(row, other, columns)), None)
        if index is None:
            missing.append(row)
        else:
            del candidates[index]
    unexpected = [row for rows in buckets.values() for row in rows]
    return missing, unexpected, len(expected) - len(missing)


def _rough(row: Row, columns: Mapping[str, Rule]) -> Any:
    """A hashable value that equal rows share: everything of a row but the numbers that need only be near."""
    return tuple(_frozen(row.get(name), rule) for name, rule in columns.items())


def _frozen(value: Any, rule: Rule) -> Any:
    if isinstance(value, float):
        return float
    if rule.numbers and _is_exact(value):
        return Decimal
    if isinstance(value, dict):
        return frozenset(
            (key if not isinstance(key, float) else float, _frozen(inner, rule)) for key, inner in value.items()
        )
    if isinstance(value, tuple | list):
        items = [_frozen(inner, rule) for inner in value]
        return frozenset(Counter(items).items()) if rule.unordered else tuple(items)
    return (type(value), value)


def _differing(left: Row, right: Row, columns: Mapping[str, Rule]) -> tuple[str, ...]:
    return tuple(name for name, rule in columns.items() if not same(left.get(name), right.get(name), rule))


def _paired(missing: list[Row], unexpected: list[Row], columns: Mapping[str, Rule], keys: Sequence[str]) -> list[Pair]:
    """Each expected row beside the actual row of the same keys, or else the likest; what is left over stands alone."""
    by_keys = {name: columns[name] for name in keys}
    pairs: list[Pair] = []
    alone: list[Row] = []
    rest = list(unexpected)
    for row in missing:
        candidates = (
            rest[:_MOST_COMPARED] if not keys else [other for other in rest if not _differing(row, other, by_keys)]
        )
        best = min(candidates, key=lambda other: len(_differing(row, other, columns)), default=None)
        # Without keys, rows that share less than half of their values are not the same row with other values.
        if best is None or (not keys and 2 * len(_differing(row, best, columns)) > len(columns)):
            alone.append(row)
            continue
        # Found by identity: an equal row may be there twice.
        del rest[next(index for index, other in enumerate(rest) if other is best)]
        pairs.append(Pair(row, best, _differing(row, best, columns)))
    return [*pairs, *(Pair(row, None) for row in alone), *(Pair(None, row) for row in rest)]
