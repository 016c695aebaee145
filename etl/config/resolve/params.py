"""Parameters: declared with a type, overridden by the environment and by flags, filled into `${name}`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.config import secrets
from etl.config.diagnostics import NOWHERE, Diagnostic, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from etl.config.document.document import Document, Path_
    from etl.config.spec import Scalar

REFERENCE = re.compile(r"\$\$|\$\{([^}]*)\}")
SQL_KEYS = frozenset({"sql", "expr", "delete_when", "groups"})
_WORDS = {"true": True, "false": False}
KINDS = ("str", "int", "float", "bool", "date", "timestamp")
_BROKEN = object()  # a default that is of another type


_TIMES: Mapping[str, tuple[Callable[[str], Scalar], str]] = {
    "date": (date.fromisoformat, "2024-01-31"),
    "timestamp": (datetime.fromisoformat, "2024-01-31T12:00:00 or 2024-01-31T12:00:00+01:00"),
}


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
    if kind in _TIMES:
        read, example = _TIMES[kind]
        try:
            return read(str(value))
        except ValueError:
            raise Unconvertible(f"'{value}' is no {kind}, such as {example}") from None
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
    """Fills `${name}` in, and collects what it could not.

    `written` holds, for each place whose text has a secret in it, that text with the reference in the secret's stead: it is
    what fingerprints and people see. `hidden` is the same of the params.
    """

    def __init__(
        self,
        document: Document,
        params: Mapping[str, Scalar],
        *,
        project: Path,
        hidden: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._document, self._params, self._project, self._hidden = document, params, project, hidden
        self.found: list[Diagnostic] = []
        self.written: dict[Path_, str] = {}

    def fill(self, value: Any, path: Path_ = ()) -> Any:
        """`value` with every reference replaced; a text that is one reference keeps the param's type."""
        if isinstance(value, dict):
            return {
                key: self._sql(item, (*path, key))
                if key in SQL_KEYS and path[:1] == ("flows",)
                else self.fill(item, (*path, key))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        if "${" in REFERENCE.sub("", value):
            at = self._document.text_place(path, value, value.rindex("${"))
            self.found.append(
                Diagnostic("E115", "this reference is never closed", at, "write ${name}; $$ stands for one $")
            )
            return value
        whole = REFERENCE.fullmatch(value)
        if whole is not None and whole.group(1) is not None:
            found, shown = self._lookup(whole.group(1), path)
            if shown is not None:
                self.written[path] = shown
            return found
        parts = [self._part(match, path) for match in REFERENCE.finditer(value)]
        if any(shown is not None for _, shown in parts):
            texts = iter(found if shown is None else shown for found, shown in parts)
            self.written[path] = REFERENCE.sub(lambda _: next(texts), value)
        filled = iter(found for found, _ in parts)
        return REFERENCE.sub(lambda _: next(filled), value)

    def _part(self, match: re.Match[str], path: Path_) -> tuple[str, str | None]:
        if match.group(1) is None:
            return "$", None
        found, shown = self._lookup(match.group(1), path)
        return as_text(found), shown

    def _sql(self, value: Any, path: Path_) -> Any:
        """SQL stays as it is: a value that became part of its text would be code."""
        if isinstance(value, dict):
            return {key: self._sql(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, str) and "${" in value:
            at = self._document.text_place(path, value, value.index("${"))
            self.found.append(
                Diagnostic(
                    "E305",
                    "`${…}` does not reach SQL: a value must never become code",
                    at,
                    "in a transform write :name",
                )
            )
        return value

    def _lookup(self, name: str, path: Path_) -> tuple[Scalar, str | None]:
        """A reference's value and, where it is a secret, what is shown instead."""
        if name in self._params:
            return self._params[name], self._hidden.get(name)
        at = self._document.place(path)
        if not name.strip():
            self.found.append(
                Diagnostic("E115", "this reference names nothing", at, "write ${name}; $$ stands for one $")
            )
        elif secrets.is_secret(name):
            try:
                return secrets.resolve(name, self._project), f"${{{name}}}"
            except secrets.Unavailable as cause:
                self.found.append(Diagnostic("E112", str(cause), at, cause.hint))
        else:
            hint = did_you_mean(name, self._params) or "declare it under params"
            self.found.append(Diagnostic("E110", f"there is no param '{name}'", at, hint))
        return "", None


def as_text(value: Scalar) -> str:
    """A param's value as a part of a longer text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Params:
    """Each param's value, and of those that hold a secret what is shown instead."""

    values: Mapping[str, Scalar]
    hidden: Mapping[str, str]


def declared_params(
    document: Document, values: Mapping[str, Any], found: list[Diagnostic]
) -> dict[str, tuple[str, Any]]:
    """Name → type and default of each param that the pipeline declares."""
    declared = {}
    for name, item in (values.get("params") or {}).items() if isinstance(values.get("params"), dict) else ():
        kind, default = str(item.get("type", "str")), item.get("default")
        if kind not in KINDS:  # the grammar says so
            kind = kind_of(default)
        try:
            convert(default if not (isinstance(default, str) and "${" in default) else None, kind)
        except Unconvertible as cause:
            at = document.place(("params", name, "default"))
            found.append(Diagnostic("E111", f"param '{name}': {cause}", at, f"its type is {kind}"))
            default = _BROKEN
        declared[str(name)] = (kind, default)
    return declared


def resolve_params(
    document: Document,
    declared: Mapping[str, tuple[str, Any]],
    overlays: Sequence[Document],
    flags: Mapping[str, str],
    project: Path,
    found: list[Diagnostic],
) -> Params:
    """Each param's value: the flag's, else the environment's, else the default; params may use those before them."""
    given: dict[str, tuple[Any, Document | None]] = {}
    for overlay in overlays:
        laid = overlay.values.get("params") if isinstance(overlay.values, dict) else None
        # An environment serves many pipelines, so a param that this one lacks is no mistake.
        given |= {name: (value, overlay) for name, value in (laid if isinstance(laid, dict) else {}).items()}
    for name, value in flags.items():
        if name in declared:
            given[name] = (value, None)
        else:
            hint = did_you_mean(name, declared) or f"the params are: {', '.join(declared) or 'none'}"
            found.append(Diagnostic("E110", f"--param {name}: this pipeline has no such param", hint=hint))
    values: dict[str, Scalar] = {}
    hidden: dict[str, str] = {}
    for name, (kind, default) in declared.items():
        if default is _BROKEN and name not in given:
            values[name] = None
            continue
        value, origin = given.get(name, (default, document))
        filling = Interpolation(origin or document, values, project=project, hidden=hidden)
        value = filling.fill(value, ("params", name))
        found += filling.found
        if value is None and name not in given:
            found.append(
                Diagnostic(
                    "E114",
                    f"param '{name}' has no value",
                    document.place(("params", name), key=True),
                    f"give it by --param {name}=…, in conf/, or a default",
                )
            )
        if filling.written:
            hidden[name] = filling.written["params", name]
        try:
            values[name] = None if filling.found else convert(value, kind)
        except Unconvertible as cause:
            at = origin.place(("params", name)) if origin is not None else NOWHERE
            said = str(cause).replace(str(value), hidden[name]) if name in hidden else str(cause)
            found.append(Diagnostic("E111", f"param '{name}': {said}", at, f"its type is {kind}"))
            values[name] = None
    return Params(values, hidden)
