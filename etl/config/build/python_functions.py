"""Python functions that flows name, judged without importing them: the file's syntax, what the name stands for, its parameters."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.config.diagnostics import Diagnostic, Location, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Reference:
    """A flow's reference to a function of a module.

    Attributes:
        function: the function's name.
        at: where the flow names it.
        flow: the flow's name.
        inputs: the names that the flow's transform knows its inputs by.
        shown: the module's file as messages show it.
    """

    function: str
    at: Location
    flow: str
    inputs: Collection[str]
    shown: str


@dataclass(frozen=True, slots=True)
class _Module:
    """A parsed file: its statements, and its lines for messages."""

    body: list[ast.stmt]
    lines: list[str]

    def place(self, shown: str, node: ast.stmt, width: int) -> Location:
        """Where a statement begins."""
        return Location(shown, node.lineno, node.col_offset + 1, width, self.lines[node.lineno - 1])


def check_python(
    file: Path, function: str, at: Location, *, inputs: Collection[str], flow: str, shown: str
) -> list[Diagnostic]:
    """The mistakes in a flow's reference to `function` of `file`, an existing file that `shown` names; nothing is imported.

    What only running the module tells (an import, a decorator, a call) is no mistake here.
    """
    reference = _Reference(function, at, flow, inputs, shown)
    module = _parse(file, reference)
    if isinstance(module, Diagnostic):
        return [module]
    definition = _find(module, reference)
    if isinstance(definition, Diagnostic):
        return [definition]
    parameters = _signature(definition)
    if definition is None or parameters is None:
        return []
    place = module.place(shown, definition, len(function) + 4)
    return list(_compare(parameters, reference, place))


def _parse(file: Path, reference: _Reference) -> _Module | Diagnostic:
    """The file's statements, or why it is no Python."""
    shown, at = reference.shown, reference.at
    try:
        source = file.read_text(encoding="utf-8")
        return _Module(ast.parse(source).body, source.splitlines())
    except UnicodeDecodeError:
        return Diagnostic("E324", f"{shown} is not UTF-8", at, "save it as UTF-8")
    except SyntaxError as cause:
        lines = source.splitlines()
        line = min(cause.lineno or 1, len(lines) or 1)
        place = Location(shown, line, max(1, cause.offset or 1), 1, lines[line - 1] if lines else "")
        return Diagnostic("E324", f"not valid Python: {cause.msg}", place, "python -m py_compile says the same")
    except ValueError as cause:
        return Diagnostic("E324", f"{shown} is not valid Python: {cause}", at, "look for characters that are none")


def _find(module: _Module, reference: _Reference) -> ast.stmt | Diagnostic | None:
    """The statement that gives the name its value; None where only an import tells; a mistake where it is no function."""
    function, at = reference.function, reference.at
    definitions = {name: node for node in module.body for name in _names(node)}
    definition = definitions.get(function)
    if definition is None:
        imports = [node for node in module.body if isinstance(node, ast.ImportFrom)]
        if any(alias.name == "*" for node in imports for alias in node.names):
            return None
        functions = [name for name, node in definitions.items() if isinstance(node, ast.FunctionDef)]
        hint = did_you_mean(function, functions) or f"the functions there are: {', '.join(functions) or 'none'}"
        return Diagnostic("E320", f"{reference.shown} has no function '{function}'", at, hint)
    value = _is_value(definition)
    if not value and not isinstance(definition, ast.AsyncFunctionDef | ast.ClassDef):
        return definition
    kind = {ast.AsyncFunctionDef: "a coroutine", ast.ClassDef: "a class"}.get(type(definition), "a value")
    return Diagnostic(
        "E326",
        f"'{function}' is {kind}; a transform is a plain function",
        at if value else module.place(reference.shown, definition, 5),
        f"write: def {function}({', '.join(reference.inputs)})",
    )


def _signature(definition: ast.stmt | None) -> ast.arguments | None:
    """The parameters of a plain function or a lambda; None for what only running it tells: an import, a call, a decorator."""
    if isinstance(definition, ast.Assign | ast.AnnAssign) and isinstance(definition.value, ast.Lambda):
        return definition.value.args
    if isinstance(definition, ast.FunctionDef) and not definition.decorator_list:
        return definition.args
    return None


def _compare(parameters: ast.arguments, reference: _Reference, place: Location) -> Iterator[Diagnostic]:
    """The mistakes in a function's parameters, each of which is an input of the flow, `params`, or has a default."""
    function, flow, inputs = reference.function, reference.flow, reference.inputs
    names_hint = f"the inputs are: {', '.join(inputs)}"
    if parameters.posonlyargs:
        placed = ", ".join(parameter.arg for parameter in parameters.posonlyargs)
        message = f"'{function}' takes {placed} by place only; inputs are given by name"
        yield Diagnostic("E329", message, place, "take the / out")
        return
    if parameters.vararg or parameters.kwarg:
        message = f"'{function}' takes * or ** parameters; name the inputs of flow '{flow}'"
        yield Diagnostic("E329", message, place, names_hint)
        return
    names = [parameter.arg for parameter in (*parameters.args, *parameters.kwonlyargs)]
    optional = _optional(parameters)
    for name in names:
        if name not in inputs and name != "params" and name not in optional:
            message = f"parameter '{name}' of '{function}' is no input of flow '{flow}'"
            yield Diagnostic("E321", message, place, did_you_mean(name, inputs) or names_hint)
    for name in inputs:
        if name not in names:
            message = f"input '{name}' of flow '{flow}' is no parameter of '{function}'"
            yield Diagnostic("E328", message, place, "add the parameter, or take the input away")


def _optional(parameters: ast.arguments) -> set[str]:
    """The names of the parameters that have a default; none of them is taken by place only."""
    placed = parameters.args[len(parameters.args) - len(parameters.defaults) :]
    named = zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True)
    return {parameter.arg for parameter in (*placed, *(each for each, default in named if default is not None))}


def _names(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module gives, also inside of `if`, `try` and `with`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
    if isinstance(node, ast.If | ast.Try | ast.With):
        inner = [part for part in ast.walk(node) if isinstance(part, ast.stmt) and part is not node]
        return [name for part in inner for name in _names(part)]
    return []


def _is_value(node: ast.stmt) -> bool:
    """Whether a statement gives a name what can never be called: a number, a text, a list."""
    return isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(
        node.value, ast.Constant | ast.List | ast.Dict | ast.Set | ast.Tuple | ast.JoinedStr
    )
