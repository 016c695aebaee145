"""The values that a pipeline's own SQL compares its columns with: made-up rows that never have them would pass no filter."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from etl.config.spec import SqlTransform
from etl.config.sql.syntax import understood

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.config.spec import FlowSpec

Literal = str | Decimal


def compared(flows: Iterable[FlowSpec]) -> Mapping[str, tuple[Literal, ...]]:
    """Column, in lower case → the literals that a flow's SQL, expectations or sink compares it with."""
    literals: dict[str, dict[Literal, None]] = {}
    for text in _texts(flows):
        tree = understood(text)
        for name, value in _comparisons(tree) if tree is not None else ():
            literals.setdefault(name.lower(), {})[value] = None
    return {name: tuple(values) for name, values in literals.items()}


def _texts(flows: Iterable[FlowSpec]) -> Iterator[str]:
    for flow in flows:
        yield from (part.transform.text for part in (*flow.views, flow) if isinstance(part.transform, SqlTransform))
        rules = [rule.expr for rule in flow.expectations]
        rules += [flow.sink.delete_when] if flow.sink.delete_when else []
        yield from (f"SELECT 1 FROM _etl_row WHERE ({text}\n)" for text in rules)


def _comparisons(tree: Any) -> Iterator[tuple[str, Literal]]:
    from sqlglot import exp  # noqa: PLC0415  # a tenth of a second that a verification without --generated need not pay

    for node in tree.find_all(exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between):
        parts = list(node.iter_expressions())
        columns = [part.name for part in parts if isinstance(part, exp.Column)]
        for part in parts:
            value = _literal(part)
            if len(columns) == 1 and value is not None:
                yield columns[0], value


def _literal(part: Any) -> Literal | None:
    from sqlglot import exp  # noqa: PLC0415  # see _comparisons

    sign = "-" if isinstance(part, exp.Neg) else ""
    inner = part.this if isinstance(part, exp.Neg) else part
    if not isinstance(inner, exp.Literal):
        return None
    if inner.is_string:
        return str(inner.this)
    try:
        return Decimal(f"{sign}{inner.this}")
    except InvalidOperation:
        return None
