"""SQL and Python of the user's, checked without running either: syntax, inputs, parameters."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, Location, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


@lru_cache(maxsize=256)
def parse(text: str) -> Any:
    """The syntax tree of one query, in Spark's dialect; sqlglot's errors where it is none."""
    import sqlglot  # noqa: PLC0415  # a tenth of a second that files without SQL need not pay

    found = [item for item in sqlglot.parse(text, dialect="spark") if item is not None]
    if len(found) != 1:
        raise ValueError(f"one query belongs here, not {len(found)} statements")
    return found[0]


def shift(origin: Location, text: str, line: int, column: int, width: int = 1) -> Location:
    """The place of (line, column), from 1, inside `text`, whose first character stands at `origin`."""
    lines = text.splitlines() or [""]
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if line == 1:
        return Location(origin.file, origin.line, origin.column + column - 1, width, origin.text or shown)
    return Location(origin.file, origin.line + line - 1, column, width, shown)


def check_sql(
    text: str, at: Location, *, inputs: Collection[str], params: Collection[str], flow: str
) -> list[Diagnostic]:
    """What is wrong with a transform's SQL."""
    from sqlglot import exp  # noqa: PLC0415  # see parse
    from sqlglot.errors import ParseError, TokenError  # noqa: PLC0415

    try:
        tree = parse(text)
    except ParseError as cause:
        first = cause.errors[0] if cause.errors else {}
        line, column = int(first.get("line") or 1), int(first.get("col") or 1)
        token = str(first.get("highlight") or " ")
        place = shift(at, text, line, max(1, column - len(token) + 1), len(token))
        message = str(first.get("description") or cause).split("\n")[0].rstrip(".")
        return [Diagnostic("E300", f"the SQL of flow '{flow}' does not parse: {message}", place)]
    except TokenError as cause:
        return [Diagnostic("E300", f"the SQL of flow '{flow}' does not parse: {str(cause).splitlines()[0]}", at)]
    except ValueError as cause:
        return [
            Diagnostic("E301", f"the SQL of flow '{flow}': {cause}", at, "write one SELECT, without further statements")
        ]
    if not isinstance(tree, exp.Query):
        return [
            Diagnostic(
                "E301",
                f"the SQL of flow '{flow}' is {tree.key.upper()}, not a query",
                at,
                "write one SELECT; the sink does the writing",
            )
        ]
    found: list[Diagnostic] = []
    names = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    known = {name.lower(): name for name in inputs}
    used: set[str] = set()
    for table in tree.find_all(exp.Table):
        name = table.name.lower()
        if not table.db and name in names and name not in known:
            continue
        if table.db or name not in known:
            shown = table.sql(dialect="spark").split(" AS ")[0]
            hint = did_you_mean(table.name, inputs) or f"the inputs of this flow are: {', '.join(inputs)}"
            found.append(
                Diagnostic(
                    "E302",
                    f"flow '{flow}' reads '{shown}', which is none of its inputs",
                    _of(table.this, text, at),
                    hint,
                )
            )
        else:
            used.add(name)
    for name in inputs:
        if name.lower() not in used and not found:
            found.append(
                Diagnostic(
                    "E302",
                    f"input '{name}' of flow '{flow}' is never read by its SQL",
                    at,
                    "read it, or take it out of inputs",
                )
            )
    for marker in tree.find_all(exp.Placeholder):
        if marker.name and marker.name not in params:
            hint = did_you_mean(marker.name, params) or "declare it under params"
            found.append(
                Diagnostic(
                    "E303",
                    f"the SQL of flow '{flow}' uses :{marker.name}, which is no param",
                    _marker(marker.name, text, at),
                    hint,
                )
            )
    return found


def check_expression(text: str, at: Location, what: str) -> list[Diagnostic]:
    """What is wrong with a boolean expression over one row."""
    from sqlglot import exp  # noqa: PLC0415  # see parse
    from sqlglot.errors import SqlglotError  # noqa: PLC0415

    try:
        tree = parse(f"SELECT 1 FROM _etl_row WHERE ({text})")
    except (SqlglotError, ValueError) as cause:
        reason = str(cause).split("\n")[0].split(" Line ")[0].rstrip(".")
        return [Diagnostic("E300", f"{what} is no SQL expression: {reason}", at)]
    for forbidden, name in (
        (exp.Subquery, "a subquery"),
        (exp.Select, "a subquery"),
        (exp.AggFunc, "an aggregate"),
        (exp.Window, "a window"),
    ):
        where = tree.args.get("where")
        if where is not None and where.find(forbidden):
            return [
                Diagnostic(
                    "E300",
                    f"{what} has {name}; it is judged row by row",
                    at,
                    "compute the value in the transform, then test it",
                )
            ]
    return []


def markers(text: str) -> frozenset[str]:
    """The `:name` parameters that a query uses."""
    from sqlglot import exp  # noqa: PLC0415  # see parse

    return frozenset(item.name for item in parse(text).find_all(exp.Placeholder) if item.name)


def check_python(
    file: Path, function: str, at: Location, *, inputs: Collection[str], flow: str, shown: str
) -> list[Diagnostic]:
    """What is wrong with a Python reference, found without importing it."""
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except UnicodeDecodeError:
        return [Diagnostic("E320", f"{shown} is not UTF-8", at, "save it as UTF-8")]
    except SyntaxError as cause:
        lines = source.splitlines()
        line, column = cause.lineno or 1, max(1, cause.offset or 1)
        place = Location(shown, line, column, 1, lines[line - 1] if line <= len(lines) else "")
        return [Diagnostic("E320", f"not valid Python: {cause.msg}", place)]
    except ValueError as cause:
        return [Diagnostic("E320", f"{shown} is not valid Python: {cause}", at)]
    functions = {item.name: item for item in tree.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}
    found = functions.get(function)
    if found is None:
        imported = {
            alias.asname or alias.name
            for item in tree.body
            if isinstance(item, ast.ImportFrom | ast.Import)
            for alias in item.names
        }
        assigned = {
            name.id
            for item in tree.body
            if isinstance(item, ast.Assign)
            for name in item.targets
            if isinstance(name, ast.Name)
        }
        if function in imported | assigned:
            return []
        hint = did_you_mean(function, functions) or f"the functions there are: {', '.join(functions) or 'none'}"
        return [Diagnostic("E320", f"{shown} has no function '{function}'", at, hint)]
    if isinstance(found, ast.AsyncFunctionDef):
        return [Diagnostic("E320", f"'{function}' is async; a transform is a plain function", at, "write `def`")]
    place = Location(shown, found.lineno, found.col_offset + 1, len("def"), source.splitlines()[found.lineno - 1])
    arguments = found.args
    if arguments.vararg or arguments.kwarg:
        return [
            Diagnostic(
                "E321",
                f"'{function}' takes * or ** parameters; name the inputs of flow '{flow}'",
                place,
                f"the inputs are: {', '.join(inputs)}",
            )
        ]
    positional = [*arguments.posonlyargs, *arguments.args]
    optional = {item.arg for item in positional[len(positional) - len(arguments.defaults) :]} | {
        item.arg
        for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    names = [item.arg for item in (*positional, *arguments.kwonlyargs)]
    wrong = [
        Diagnostic(
            "E321",
            f"parameter '{name}' of '{function}' is no input of flow '{flow}'",
            place,
            did_you_mean(name, inputs) or f"the inputs are: {', '.join(inputs)}",
        )
        for name in names
        if name not in inputs and name != "params" and name not in optional
    ]
    wrong += [
        Diagnostic(
            "E321",
            f"input '{name}' of flow '{flow}' is no parameter of '{function}'",
            place,
            "add the parameter, or take the input away",
        )
        for name in inputs
        if name not in names
    ]
    return wrong


def _of(identifier: Any, text: str, at: Location) -> Location:
    meta = getattr(identifier, "meta", {})
    if "line" not in meta:
        return at
    width = len(identifier.name)
    return shift(at, text, int(meta["line"]), max(1, int(meta["col"]) - width + 1), width)


def _marker(name: str, text: str, at: Location) -> Location:
    found = re.search(rf":{re.escape(name)}\b", text)
    if found is None:
        return at
    before = text[: found.start()]
    return shift(at, text, before.count("\n") + 1, found.start() - (before.rfind("\n") + 1) + 1, len(name) + 1)
