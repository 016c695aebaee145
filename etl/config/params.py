"""Parameters: declared with a type, overridden by the environment and by flags, filled into `${name}`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.document import Document, Path_
    from etl.config.spec import Scalar

_REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")
_SQL = frozenset({"sql", "expr", "delete_when"})
_WORDS = {"true": True, "false": False}


class Unconvertible(ValueError):
    """A value is not of the param's type."""


def convert(value: Any, kind: str) -> Scalar:
    """`value`, perhaps text from a flag, as the param's type."""
    if value is None:
        return None
    if kind == "str":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "bool":
        found = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if found is None:
            raise Unconvertible(f"'{value}' is neither true nor false")
        return found
    if isinstance(value, bool):
        raise Unconvertible(f"'{str(value).lower()}' is no number")
    try:
        return int(str(value)) if kind == "int" else float(value)
    except ValueError:
        raise Unconvertible(f"'{value}' is no {'whole ' if kind == 'int' else ''}number") from None


def kind_of(value: Any) -> str:
    """The type that a param declared by its value alone has."""
    for python, name in ((bool, "bool"), (int, "int"), (float, "float")):
        if isinstance(value, python):
            return name
    return "str"


class Interpolation:
    """Fills `${name}` in, and collects what it could not."""

    def __init__(self, document: Document, params: Mapping[str, Scalar]) -> None:
        self._document = document
        self._params = params
        self.found: list[Diagnostic] = []

    def fill(self, value: Any, path: Path_ = ()) -> Any:
        """`value` with every reference replaced; a text that is one reference keeps the param's type."""
        if isinstance(value, dict):
            return {
                key: self._sql(item, (*path, key))
                if key in _SQL and path[:1] == ("flows",)
                else self.fill(item, (*path, key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole is not None and whole.group(1) is not None:
            return self._lookup(whole.group(1), path)
        return _REFERENCE.sub(
            lambda part: "$" if part.group(1) is None else _text(self._lookup(part.group(1), path)), value
        )

    def _sql(self, value: Any, path: Path_) -> Any:
        """SQL stays as it is: a value that became part of its text would be code."""
        if isinstance(value, str) and "${" in value:
            at = self._document.text_place(path, value, value.index("${"))
            self.found.append(
                Diagnostic(
                    "E300",
                    "`${…}` does not reach SQL: a value must never become code",
                    at,
                    "in a transform write :name",
                )
            )
        return value

    def _lookup(self, name: str, path: Path_) -> Scalar:
        if name in self._params:
            return self._params[name]
        at = self._document.place(path)
        if name.startswith(("env:", "file:")):
            self.found.append(Diagnostic("E900", f"secrets such as ${{{name}}} are not supported yet", at))
        else:
            hint = did_you_mean(name, self._params) or "declare it under params"
            self.found.append(Diagnostic("E110", f"there is no param '{name}'", at, hint))
        return ""


def _text(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
