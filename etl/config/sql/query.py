"""Queries of the user's, checked without Spark: syntax, tables, parameters."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, Locate, Location, did_you_mean
from etl.config.sql.lexical import scan
from etl.config.sql.parse_errors import advice, beyond, details, is_beyond, near, split_shift
from etl.config.sql.syntax import marker_names, may_have_markers, parse, place_of_marker, stand_in, understood

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_TABLE = re.compile(r"\s*TABLE\s+\w", re.IGNORECASE)
_WITH = re.compile(r"\bWITH\b|\|>", re.IGNORECASE)  # sqlglot makes WITH of pipes
_NAMED_BY_VALUE = re.compile(r"\bIDENTIFIER\s*\(|\bTABLE\s*\(", re.IGNORECASE)


def check_sql(
    text: str, locate: Locate, *, inputs: Mapping[str, Location], params: Collection[str], flow: str
) -> list[Diagnostic]:
    """The mistakes and warnings of a transform's SQL; `inputs` says where each is declared, `locate` where each character stands."""
    what = f"the SQL of flow '{flow}'"
    fault = _of_text(text, locate, what)
    if fault is not None:
        return [fault]
    tree, diagnostics = _tree(text, locate, what)
    if tree is None:
        return diagnostics
    if _TABLE.match(scan(text).bare):  # `TABLE t` is a query of Spark's, and a column with an alias to sqlglot
        return [beyond(what, locate)]
    fault = _no_query(tree, text, locate, what)
    if fault is not None:
        return [fault]
    diagnostics += [*misplaced(tree, text, locate, what), *_tables(tree, text, locate, inputs, flow)]
    for name in dict.fromkeys(marker_names(tree, text)):
        if name not in params:
            message = f"{what} uses :{name}, which is no param"
            hint = did_you_mean(name, params) or "declare it under params"
            diagnostics.append(Diagnostic("E303", message, place_of_marker(name, text, locate), hint))
    return diagnostics


def _of_text(text: str, locate: Locate, what: str) -> Diagnostic | None:
    """The mistake that a text's characters alone show."""
    scanned = scan(text)
    if scanned.flaw is not None:
        return Diagnostic("E300", f"{what}: {scanned.flaw.message}", locate(scanned.flaw.offset), scanned.flaw.hint)
    if not scanned.statements:
        return Diagnostic("E308", f"{what} holds no query", locate(0), "write one SELECT")
    if len(scanned.statements) > 1:
        message = f"{what} is one query, and a second statement begins here"
        hint = "delete it; a flow of its own may hold it"
        return Diagnostic("E301", message, locate(scanned.statements[1]), hint)
    return None


def _tree(text: str, locate: Locate, what: str) -> tuple[Any, list[Diagnostic]]:
    """The syntax tree, perhaps of a stand-in; None and what is wrong where there is none."""
    from sqlglot.errors import SqlglotError  # noqa: PLC0415  # see syntax.parse

    try:
        tree = parse(text)
    except (SqlglotError, ValueError, RecursionError) as cause:
        problem: Exception = cause
    else:
        return tree, split_shift(tree, text, locate, what, "E300")
    other = stand_in(text)
    if other != text and (tree := understood(other)) is not None:
        return tree, []
    if isinstance(problem, RecursionError):
        return None, [Diagnostic("E300", f"{what} is nested too deeply", locate(0), "split it into several flows")]
    if is_beyond(text, problem):
        return None, [beyond(what, locate)]
    error = details(problem)
    token = str(error.get("highlight") or " ")
    place = locate(0)
    if error:
        place = locate(_offset(text, int(error["line"]), int(error["col"]), len(token)))
        place = replace(place, width=len(token))
    return None, [Diagnostic("E300", f"{what} does not parse {near(token)}", place, advice(problem))]


def _no_query(tree: Any, text: str, locate: Locate, what: str) -> Diagnostic | None:
    """The mistake of a statement that is no query."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    if isinstance(tree, exp.Query | exp.Values):
        return None
    expression = isinstance(tree, exp.Expression) and tree.key in ("alias", "column")
    kind = "no query" if expression else f"a {tree.key.upper()} statement, not a query"
    place = locate(scan(text).statements[0])
    return Diagnostic("E301", f"{what} is {kind}", place, "write one SELECT; the sink does the writing")


def misplaced(tree: Any, text: str, locate: Locate, what: str) -> Iterator[Diagnostic]:
    """The markers where no value can stand: inside a type, as the name of a table or a column."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    places = {
        exp.DataTypeParam: "inside a type",
        exp.Table: "as a table",
        exp.Column: "as a column",
        exp.Alias: "as a name",
    }
    for marker in tree.find_all(exp.Placeholder) if may_have_markers(text) else ():
        where = next((words for kind, words in places.items() if isinstance(marker.parent, kind)), "")
        if not marker.name or not where or (isinstance(marker.parent, exp.Alias) and marker.arg_key == "this"):
            continue
        message = f"{what} has :{marker.name} {where}, and a marker stands for a value"
        hint = "write the name out; for_each writes a flow for each of several"
        if where == "inside a type":
            hint = "write the number out: one type holds in every run"
        yield Diagnostic("E350", message, place_of_marker(marker.name, text, locate), hint)


def _tables(tree: Any, text: str, locate: Locate, inputs: Mapping[str, Location], flow: str) -> list[Diagnostic]:
    """The tables that are no inputs; where there is none, the inputs that no table is."""
    from sqlglot import exp  # noqa: PLC0415  # see syntax.parse

    diagnostics: list[Diagnostic] = []
    ctes = tree.find_all(exp.CTE) if _WITH.search(text) else ()
    expressions = {cte.alias.lower() for cte in ctes}
    names = {name.lower() for name in inputs}
    read: set[str] = set()
    named_by_value = _NAMED_BY_VALUE.search(scan(text).bare) is not None
    hidden = named_by_value  # a name that only Spark resolves may be any of the inputs
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Placeholder):  # told by itself
            hidden = True
            continue
        if isinstance(table.this, exp.Func):  # range(10), explode(…), IDENTIFIER(…)
            hidden = hidden or isinstance(table.this, exp.Anonymous)
            continue
        name = table.name.lower()
        if not table.db and name in expressions and name not in names:
            continue
        if (table.db or name not in names) and not named_by_value:
            shown = f"{table.db}.{table.name}" if table.db else table.name
            message = f"flow '{flow}' reads '{shown}', which is none of its inputs"
            hint = did_you_mean(table.name, inputs) or f"the inputs of this flow are: {', '.join(inputs)}"
            place = _place_of_name(table.args.get("db") or table.this, locate)
            diagnostics.append(Diagnostic("E302", message, place, hint))
        elif name in names:
            read.add(name)
    if not diagnostics and not hidden:
        for name, at in inputs.items():
            if name.lower() not in read:
                message = f"input '{name}' of flow '{flow}' is never read by its SQL"
                diagnostics.append(Diagnostic("E304", message, at, "read it, or take it out of inputs"))
    return diagnostics


def _offset(text: str, line: int, column: int, width: int) -> int:
    """The offset of a token of that width, of which sqlglot tells the line and the column of its last character."""
    start = sum(len(each) + 1 for each in text.split("\n")[: line - 1])
    return max(0, min(start + column - width, len(text) - 1))


def _place_of_name(identifier: Any, locate: Locate) -> Location:
    meta = getattr(identifier, "meta", {})
    if "start" not in meta:
        return locate(0)
    return replace(locate(int(meta["start"])), width=int(meta["end"]) - int(meta["start"]) + 1)
