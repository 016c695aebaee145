"""SQL expressions over one row, checked without Spark: expectations, `delete_when`, the columns of groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.sql import volatile
from etl.config.sql.lexical import scan
from etl.config.sql.parse_errors import advice, beyond, details, is_beyond, near, split_shift
from etl.config.sql.query import misplaced
from etl.config.sql.syntax import marker_names, parse, place_of_marker

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from etl.config.diagnostics import Locate
    from etl.config.sql.lexical import Scanned

# What is no expression, whatever it parses as: the test, the message and the hint; the first that holds is told.
_NO_EXPRESSION: tuple[tuple[Callable[[Scanned], bool], str, str], ...] = (
    (lambda scanned: ";" in scanned.bare, "is no expression: ';' ends a statement", "leave it out"),
    (lambda scanned: scanned.comment is not None, "holds a comment of SQL's", "write it in the YAML, after #"),
    (lambda scanned: not scanned.statements, "is empty", "such as: quantity > 0"),
)
# What looks beyond one row: a class of sqlglot's trees, and its name.
_BEYOND_A_ROW = (
    ("Query", "a subquery"),
    ("Window", "a window"),
    ("AggFunc", "an aggregate"),
    ("UDTF", "a function that makes rows"),
)


def check_expression(text: str, locate: Locate, what: str, params: Collection[str] = ()) -> list[Diagnostic]:
    """The first mistake in an expression over one row, or a warning where only Spark can judge it; `what` names it in messages.

    `params`: those that its `:name` markers may name.
    """
    fault = _of_text(text, locate, what)
    if fault is not None:
        return [fault]
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see syntax.parse

    try:
        tree = parse(f"SELECT 1 FROM _etl_row WHERE ({text}\n)")
    except (SqlglotError, ValueError, RecursionError) as cause:
        return [_unparsed(text, cause, locate, what)]
    expression = _only_expression(tree)
    if expression is None:
        return [Diagnostic("E306", f"{what} is not one expression", locate(0), "one condition, such as: quantity > 0")]
    return split_shift(tree, text, locate, what, "E306") or _of_tree(expression, text, locate, what, params)


def _of_text(text: str, locate: Locate, what: str) -> Diagnostic | None:
    """The mistake that a text's characters alone show."""
    scanned = scan(text)
    if scanned.flaw is not None:
        return Diagnostic("E306", f"{what} is no expression: {scanned.flaw.message}", locate(0), scanned.flaw.hint)
    for holds, message, hint in _NO_EXPRESSION:
        if holds(scanned):
            return Diagnostic("E306", f"{what} {message}", locate(0), hint)
    for name, offset in volatile.found_in(text):
        message = f"{what} uses {name}, whose value differs from run to run, so the two modes could never be equal"
        return Diagnostic("E262", message, replace(locate(offset), width=len(name)), volatile.FROM_DATA)
    return None


def _unparsed(text: str, cause: Exception, locate: Locate, what: str) -> Diagnostic:
    if is_beyond(text, cause):
        return beyond(what, locate)
    word = str(details(cause).get("highlight") or " ")
    if word == ")":  # our own bracket
        hint = "it breaks off: a value is missing at its end"
        return Diagnostic("E306", f"{what} does not parse {near(' ')}", locate(0), hint)
    return Diagnostic("E306", f"{what} does not parse {near(word)}", locate(0), advice(cause))


def _only_expression(tree: Any) -> Any:
    """The expression within the query that was put around it; None where the text has made another query of it."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    where = tree.args.get("where")
    inner = where.this.this if where is not None and isinstance(where.this, exp.Paren) else None
    if len(tree.args.get("expressions") or ()) != 1 or isinstance(inner, exp.Alias | exp.Tuple | exp.Star):
        return None
    return inner


def _of_tree(expression: Any, text: str, locate: Locate, what: str, params: Collection[str]) -> list[Diagnostic]:
    """The mistake of an expression that needs more than its row and the params: other rows, the run's instant."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    nodes = list(expression.walk())
    for kind, name in _BEYOND_A_ROW:
        if any(isinstance(node, getattr(exp, kind)) for node in nodes):
            message = f"{what} has {name}; it is judged row by row"
            return [Diagnostic("E307", message, locate(0), "compute the value in the transform, then test it")]
    if any(isinstance(node, exp.Anonymous) and node.name.lower() == "run_ts" for node in nodes):
        message = f"{what} uses run_ts(), which is known in a transform's SQL alone"
        hint = "SELECT run_ts() AS at in the transform, then name the column"
        return [Diagnostic("E309", message, locate(0), hint)]
    for name in marker_names(expression, text):
        if name not in params:
            message, hint = f"{what} uses :{name}, which is no param", did_you_mean(name, params)
            at = place_of_marker(name, text, locate)
            return [Diagnostic("E303", message, at, hint or "declare it under params")]
    return [*misplaced(expression, text, locate, what)][:1]
