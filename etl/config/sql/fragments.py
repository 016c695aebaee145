"""The part of a flow's SQL that Spark failed at: which column it computes, and of which rows of which input it can fail.

Spark quotes the query that failed and underlines the fragment. What is said of rows is a prefilter: whether one of them makes the
query fail is for Spark to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from etl.config.spec import SqlTransform
from etl.config.sql.syntax import understood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.spec import FlowSpec

_QUOTED = re.compile(r"== SQL \(line (\d+), position (\d+)\) ==\n((?:[^\n]*\n[ ]*\^+[^\n]*(?:\n|$))+)")
_VALUE = re.compile(r"The value ('.*?') of the type \"[A-Z]+\" cannot be cast to", re.DOTALL)
_STANDS_FOR = "etl_failing_fragment"
_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment of a flow's SQL, or of that of a view in it.

    Attributes:
        part: The flow or the view.
        start: Where the fragment begins in its text.
        column: The column of the SELECT around it that it computes; empty in other clauses, and where that has no name.
    """

    part: FlowSpec
    start: int
    text: str
    column: str


@dataclass(frozen=True, slots=True)
class Suspects:
    """The rows of an input, by its name in the transform, of which the fragment may fail: those for which a SQL condition holds."""

    input_name: str
    condition: str


def underlined(text: str) -> str:
    """The fragment that Spark's message underlines; empty where it underlines none."""
    quoted_lines = _QUOTED.search(text)
    if quoted_lines is None:
        return ""
    lines = quoted_lines[3].rstrip("\n").split("\n")
    spans = [(line, marks.index("^"), marks.rstrip()) for line, marks in zip(lines[::2], lines[1::2], strict=True)]
    return "\n".join(line[begin : len(marks)] for line, begin, marks in spans)


def failing_fragment(flow: FlowSpec, text: str) -> Fragment | None:
    """The fragment that Spark's message `text` underlines; None where it is in no SQL of the flow's, or more than once and elsewhere."""
    fragment, place = underlined(text), _QUOTED.search(text)
    if not fragment or place is None:
        return None
    line, column = int(place[1]), int(place[2]) - 1
    for part in (flow, *flow.views):
        if not isinstance(part.transform, SqlTransform):
            continue
        query = part.transform.text
        start = sum(len(each) + 1 for each in query.split("\n")[: line - 1]) + column
        if not query.startswith(fragment, start):  # Spark was given a text in which other things stand before it
            start = query.find(fragment) if query.count(fragment) == 1 else -1
        if start >= 0:
            return Fragment(part, start, fragment, _column(_marked(query, start, fragment)))
    return None


def suspects(fragment: Fragment, text: str, columns: Mapping[str, tuple[str, ...]]) -> Suspects | None:
    """The rows of which the fragment may have failed with the message `text`.

    `columns`: input, by its name in the transform → its columns. None where they are not told by columns of one input alone.
    """
    transform = fragment.part.transform
    expression = _expression(fragment.text)
    marker = _marked(transform.text, fragment.start, fragment.text) if isinstance(transform, SqlTransform) else None
    if expression is None or marker is None:
        return None
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    owners: set[str] = set()
    columns_in_input: dict[str, Any] = {}
    for column in expression.find_all(exp.Column):
        origin = _origin(column, marker.find_ancestor(exp.Select), columns, _DEPTH)
        if origin is None:
            return None
        owners.add(origin[0])
        columns_in_input[column.sql("spark")] = origin[1]
    if len(owners) != 1:
        return None

    def in_input(node: Any) -> Any:
        return columns_in_input[node.sql("spark")].copy() if isinstance(node, exp.Column) else node

    conditions = dict.fromkeys(_failing(expression.transform(in_input), text))
    return Suspects(owners.pop(), " OR ".join(f"({each})" for each in conditions)) if conditions else None


def _failing(expression: Any, text: str) -> Iterator[str]:
    """The conditions under one of which an expression over the columns of an input fails; none of them fails itself."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    def sql(node: Any) -> str:
        return str(node.transform(_tolerant).sql("spark"))

    for node in expression.walk():
        if _is_strict_cast(node):
            yield f"{sql(node)} IS NULL AND {sql(node.this)} IS NOT NULL"
    value = _VALUE.search(text)
    if value is not None:  # of a cast, which Spark may have added itself; it writes the value as a literal
        for column in expression.find_all(exp.Column):
            yield f"CAST({column.sql('spark')} AS STRING) = {value[1]}"
        return
    for node in expression.walk():
        if isinstance(node, exp.Div | exp.IntDiv | exp.Mod):
            yield f"{sql(node.expression)} = 0"
        elif isinstance(node, exp.Add | exp.Sub | exp.Mul):
            yield f"{sql(node)} IS NULL AND {sql(node.this)} IS NOT NULL AND {sql(node.expression)} IS NOT NULL"
        elif isinstance(node, exp.Bracket) and len(node.expressions) == 1:
            index = sql(node.expressions[0])
            yield f"{index} < 0 OR {index} >= size({sql(node.this)})"


def _tolerant(node: Any) -> Any:
    """A node that gives NULL where it fails."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    tried = {exp.Add: "try_add", exp.Sub: "try_subtract", exp.Mul: "try_multiply", exp.Div: "try_divide"}
    if type(node) in tried:
        return exp.Anonymous(this=tried[type(node)], expressions=[node.this, node.expression])
    return exp.TryCast(this=node.this, to=node.args["to"], safe=True) if _is_strict_cast(node) else node


def _is_strict_cast(node: Any) -> bool:
    """Whether a node is a cast that can fail: sqlglot has Spark's own casts, which do, as ones to be tried, too."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    return isinstance(node, exp.Cast) and not node.args.get("safe")


def _expression(text: str) -> Any:
    """The tree of an expression; None where only Spark understands it."""
    query = understood(f"SELECT {text} AS x")
    return query.expressions[0].this if query is not None and len(query.expressions) == 1 else None


def _marked(query: str, start: int, fragment: str) -> Any:
    """The node that stands for the fragment in the query's tree; None where only Spark understands the query."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    tree = understood(f"{query[:start]}{_STANDS_FOR}(){query[start + len(fragment) :]}")
    calls = tree.find_all(exp.Anonymous) if tree is not None else ()
    return next((call for call in calls if call.name.lower() == _STANDS_FOR), None)


def _column(marker: Any) -> str:
    """The column that the node computes, in the SELECT that is nearest to it."""
    if marker is None:
        return ""
    node = marker
    while node.parent is not None and node.parent.key != "select":
        node = node.parent
    return str(node.alias) if node.parent is not None and node.arg_key == "expressions" else ""


def _origin(column: Any, select: Any, columns: Mapping[str, tuple[str, ...]], depth: int) -> tuple[str, Any] | None:
    """The input that a column of a SELECT comes from, and the expression over that input's columns that it is; None where that is more than one."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    if select is None or depth == 0 or len(column.parts) > 2:  # noqa: PLR2004  # a table and a column
        return None
    name, table = column.name.lower(), column.table.lower()
    tables = [each.this for each in (select.args.get("from_"), *(select.args.get("joins") or ())) if each is not None]
    origins = []
    for each in tables:
        if not isinstance(each, exp.Table | exp.Subquery):
            return None
        if table and each.alias_or_name.lower() != table:
            continue
        origin = _of_table(each, name, select, columns, depth)
        if origin is not None:
            origins.append(origin)
    if not origins and not table:
        aliased = (each for each in select.expressions if isinstance(each, exp.Alias) and each.alias.lower() == name)
        return _computed(next(aliased, None), select, columns, depth)
    return origins[0] if len(origins) == 1 else None


def _of_table(
    table: Any, name: str, select: Any, columns: Mapping[str, tuple[str, ...]], depth: int
) -> tuple[str, Any] | None:
    """What `_origin` says of a column of one table of the FROM clause; None where it is no column of it."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    inner = table.this if isinstance(table, exp.Subquery) else _definition(table, select)
    if inner is None:
        for input_name, names in columns.items():
            own = next((each for each in names if each.lower() == name), None)
            if input_name.lower() == table.name.lower() and own is not None:
                return input_name, exp.column(exp.to_identifier(own, quoted=True))
        return None
    if not isinstance(inner, exp.Select) or inner.args.get("group") or inner.args.get("distinct"):
        return None
    projected = next((each for each in inner.expressions if each.alias_or_name.lower() == name), None)
    if projected is not None:
        return _computed(projected, inner, columns, depth)
    if any(isinstance(each, exp.Star) for each in inner.expressions):
        return _origin(exp.column(name), inner, columns, depth - 1)
    return None


def _computed(
    projected: Any, select: Any, columns: Mapping[str, tuple[str, ...]], depth: int
) -> tuple[str, Any] | None:
    """What `_origin` says of a column that an expression of a SELECT computes."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    if projected is None or projected.find(exp.AggFunc, exp.Window, exp.Query):
        return None
    expression = projected.unalias().copy()
    owners: set[str] = set()
    for column in [*expression.find_all(exp.Column)]:
        origin = _origin(column, select, columns, depth - 1)
        if origin is None:
            return None
        owners.add(origin[0])
        if column is expression:
            return origin
        column.replace(origin[1].copy())
    return (owners.pop(), exp.paren(expression)) if len(owners) == 1 else None


def _definition(table: Any, select: Any) -> Any:
    """The query that a name of a table stands for in the WITH clauses around a SELECT; None where it is none of theirs."""
    node = select
    while node is not None:
        with_ = node.args.get("with_")
        for each in with_.expressions if with_ is not None else ():
            if each.alias.lower() == table.name.lower():
                return each.this
        node = node.parent
    return None
