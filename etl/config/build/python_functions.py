"""Python of the user's, checked without running it: the name, what it is, its parameters."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, Location, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def check_python(
    file: Path, function: str, at: Location, *, inputs: Collection[str], flow: str, shown: str
) -> list[Diagnostic]:
    """What is wrong with a Python reference, found without importing it."""
    try:
        source = file.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except UnicodeDecodeError:
        return [Diagnostic("E324", f"{shown} is not UTF-8", at, "save it as UTF-8")]
    except SyntaxError as cause:
        lines = source.splitlines()
        line, column = cause.lineno or 1, max(1, cause.offset or 1)
        line = min(line, len(lines) or 1)
        place = Location(shown, line, column, 1, lines[line - 1] if lines else "")
        return [Diagnostic("E324", f"not valid Python: {cause.msg}", place, "python -m py_compile says the same")]
    except ValueError as cause:
        return [Diagnostic("E324", f"{shown} is not valid Python: {cause}", at, "look for characters that are none")]
    lines = source.splitlines()
    known = {name: item for item in tree.body for name in _names(item)}
    functions = [name for name, item in known.items() if isinstance(item, ast.FunctionDef)]
    found = known.get(function)
    if found is None:
        if any(isinstance(item, ast.ImportFrom) and any(part.name == "*" for part in item.names) for item in tree.body):
            return []  # it may come from there: the import will tell
        hint = did_you_mean(function, functions) or f"the functions there are: {', '.join(functions) or 'none'}"
        return [Diagnostic("E320", f"{shown} has no function '{function}'", at, hint)]
    if isinstance(found, ast.AsyncFunctionDef | ast.ClassDef) or _is_value(found):
        place = Location(shown, found.lineno, found.col_offset + 1, 5, lines[found.lineno - 1])
        what = {ast.AsyncFunctionDef: "a coroutine", ast.ClassDef: "a class"}.get(type(found), "a value")
        return [
            Diagnostic(
                "E326",
                f"'{function}' is {what}; a transform is a plain function",
                at if _is_value(found) else place,
                f"write: def {function}({', '.join(inputs)})",
            )
        ]
    if isinstance(found, ast.Assign | ast.AnnAssign) and isinstance(found.value, ast.Lambda):
        arguments = found.value.args
    elif isinstance(found, ast.FunctionDef) and not found.decorator_list:
        arguments = found.args
    else:
        return []  # an import, a call, what a decorator makes of it: only running it tells
    place = Location(shown, found.lineno, found.col_offset + 1, len(function) + 4, lines[found.lineno - 1])
    if arguments.posonlyargs:
        placed = ", ".join(item.arg for item in arguments.posonlyargs)
        return [
            Diagnostic(
                "E329", f"'{function}' takes {placed} by place only; inputs are given by name", place, "take the / out"
            )
        ]
    if arguments.vararg or arguments.kwarg:
        return [
            Diagnostic(
                "E329",
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
            "E328",
            f"input '{name}' of flow '{flow}' is no parameter of '{function}'",
            place,
            "add the parameter, or take the input away",
        )
        for name in inputs
        if name not in names
    ]
    return wrong


def _names(item: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module gives, also inside of `if` and `try`."""
    if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [item.name]
    if isinstance(item, ast.Import | ast.ImportFrom):
        return [part.asname or part.name.split(".")[0] for part in item.names]
    if isinstance(item, ast.Assign | ast.AnnAssign):
        targets = item.targets if isinstance(item, ast.Assign) else [item.target]
        return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    if isinstance(item, ast.If | ast.Try | ast.With):
        return [
            name for node in ast.walk(item) if isinstance(node, ast.stmt) and node is not item for name in _names(node)
        ]
    return []


def _is_value(item: ast.stmt) -> bool:
    """Whether a name is given what can never be called: a number, a text, a list."""
    return isinstance(item, ast.Assign | ast.AnnAssign) and isinstance(
        item.value, ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple | ast.JoinedStr
    )
