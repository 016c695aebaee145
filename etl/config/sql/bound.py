"""Params in the expressions over one row that stand beside a transform: `:name` markers, as in its SQL, made into typed literals.

Spark binds the markers of a query, and not those of an expression. A literal is written so that no value can become code.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from etl.config.sql.lexical import scan
from etl.config.sql.syntax import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.spec import FlowSpec, Scalar


def expressions_of(flow: FlowSpec) -> Iterator[str]:
    """The expressions that stand beside the flow's transform: its expectations, its sink's `delete_when`, its groups."""
    yield from (rule.expr for rule in flow.expectations)
    if flow.sink.delete_when:
        yield flow.sink.delete_when
    for group in flow.groups:
        yield from (expression for _, expression in group.expressions)


def params_in(flow: FlowSpec) -> frozenset[str]:
    """The params that these expressions name."""
    return frozenset(name for text in expressions_of(flow) for name in written_markers(text))


def with_literals(flow: FlowSpec, params: Mapping[str, Scalar]) -> FlowSpec:
    """The flow with the value of each param in these expressions. The transform's own markers stay: Spark binds them."""
    if not params_in(flow):
        return flow
    sink = flow.sink
    return replace(
        flow,
        expectations=tuple(replace(rule, expr=bound(rule.expr, params)) for rule in flow.expectations),
        sink=replace(sink, delete_when=bound(sink.delete_when, params)) if sink.delete_when else sink,
        groups=tuple(
            replace(group, expressions=tuple((name, bound(text, params)) for name, text in group.expressions))
            for group in flow.groups
        ),
    )


def written_markers(text: str) -> frozenset[str]:
    """The `:name` markers of a text by its characters: a tree lacks some, such as the unit of `date_trunc(:unit, day)`."""
    return frozenset(MARKER.findall(scan(text).bare))


def bound(text: str, params: Mapping[str, Scalar]) -> str:
    """An expression with a literal in place of each marker that names a param."""
    for match in reversed([*MARKER.finditer(scan(text).bare)]):
        if match[1] in params:
            text = text[: match.start()] + literal(params[match[1]]) + text[match.end() :]
    return text


def literal(value: Scalar) -> str:
    """A param's value as Spark's SQL writes it, of the type that a marker in a query has."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"({value})"
    if isinstance(value, float):
        return f"({value!r}D)" if math.isfinite(value) else f"double('{value}')"
    if isinstance(value, datetime):
        return f"TIMESTAMP'{value.isoformat(sep=' ')}'"
    if isinstance(value, date):
        return f"DATE'{value.isoformat()}'"
    # Spark would put variables of its own, such as those of its environment, in the place of a `${…}`, also within a literal.
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"'{escaped}'"
