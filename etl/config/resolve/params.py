"""Parameters: declared with a type, overridden by the environment and by flags, filled into `${name}`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from etl.config import secrets
from etl.config.diagnostics import NOWHERE, Diagnostics, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from etl.config.document.document import Document, Path_
    from etl.config.resolve.draft import Draft
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
    """`value`, perhaps text from a flag, as a param of type `kind`, one of KINDS.

    Raises Unconvertible where it is not of that type.
    """
    if value is None:
        return None
    if kind == "str":
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind == "bool":
        flag = value if isinstance(value, bool) else _WORDS.get(str(value).lower())
        if flag is None:
            raise Unconvertible(f"'{value}' is neither true nor false")
        return flag
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


@dataclass(frozen=True, slots=True)
class Params:
    """Each param's value, and of those that hold a secret what is shown instead."""

    values: Mapping[str, Scalar]
    hidden: Mapping[str, str]


class Interpolation:
    """Fills the references `${name}` of one document in, and collects what it could not.

    Attributes:
        written: for each place whose text has a secret in it, that text with the reference in the secret's stead: it is what
            fingerprints and people see.
        diagnostics: the references that mean nothing.
    """

    def __init__(self, document: Document, params: Params, project: Path) -> None:
        self._document, self._params, self._project = document, params, project
        self.diagnostics = Diagnostics()
        self.written: dict[Path_, str] = {}

    def fill(self, value: Any, path: Path_ = ()) -> Any:
        """`value` with every reference replaced; a text that is one reference keeps the param's type."""
        if isinstance(value, dict):
            return {
                key: self._sql(inner, (*path, key))
                if key in SQL_KEYS and path[:1] == ("flows",)
                else self.fill(inner, (*path, key))
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self.fill(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or "$" not in value:
            return value
        if "${" in REFERENCE.sub("", value):
            at = self._document.text_place(path, value, value.rindex("${"))
            self.diagnostics.add("E115", "this reference is never closed", at, "write ${name}; $$ stands for one $")
            return value
        whole = REFERENCE.fullmatch(value)
        if whole is not None and whole.group(1) is not None:
            filled, shown = self._lookup(whole.group(1), path)
            if shown is not None:
                self.written[path] = shown
            return filled
        parts = [self._part(match, path) for match in REFERENCE.finditer(value)]
        if any(shown is not None for _, shown in parts):
            texts = iter(text if shown is None else shown for text, shown in parts)
            self.written[path] = REFERENCE.sub(lambda _: next(texts), value)
        values = iter(text for text, _ in parts)
        return REFERENCE.sub(lambda _: next(values), value)

    def _part(self, match: re.Match[str], path: Path_) -> tuple[str, str | None]:
        if match.group(1) is None:
            return "$", None
        value, shown = self._lookup(match.group(1), path)
        return as_text(value), shown

    def _sql(self, value: Any, path: Path_) -> Any:
        """SQL stays as it is: a value that became part of its text would be code."""
        if isinstance(value, dict):
            return {key: self._sql(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, str) and "${" in value:
            at = self._document.text_place(path, value, value.index("${"))
            message = "`${…}` does not reach SQL: a value must never become code"
            self.diagnostics.add("E305", message, at, "write :name; the value is bound as one of its type")
        return value

    def _lookup(self, name: str, path: Path_) -> tuple[Scalar, str | None]:
        """A reference's value and, where it is a secret, what is shown instead."""
        if name in self._params.values:
            return self._params.values[name], self._params.hidden.get(name)
        at = self._document.place(path)
        if not name.strip():
            self.diagnostics.add("E115", "this reference names nothing", at, "write ${name}; $$ stands for one $")
        elif secrets.is_secret(name):
            try:
                return secrets.resolve(name, self._project), f"${{{name}}}"
            except secrets.Unavailable as cause:
                self.diagnostics.add("E112", str(cause), at, cause.hint)
        else:
            hint = did_you_mean(name, self._params.values) or "declare it under params"
            self.diagnostics.add("E110", f"there is no param '{name}'", at, hint)
        return "", None


def as_text(value: Scalar) -> str:
    """A param's value as a part of a longer text."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def fill(draft: Draft, params: Params) -> tuple[Draft, dict[Path_, str]]:
    """The draft with every reference replaced, and for each place that has a secret in it the text as it was written."""
    interpolation = Interpolation(draft.document, params, draft.files.project)
    values = interpolation.fill(draft.values)
    draft.diagnostics.extend(interpolation.diagnostics)
    return replace(draft, values=values), interpolation.written


def resolve_params(
    draft: Draft, overlays: Sequence[Document], flags: Mapping[str, str], *, shared: bool = False
) -> Params:
    """Each param's value: the flag's, else the environment's, else the default; params may use those before them.

    `shared`: several pipelines are given the flags, so that one which this pipeline does not declare is no mistake of its.
    """
    declared = _declared(draft)
    flags = {name: value for name, value in flags.items() if name in declared} if shared else flags
    given = _given(draft, declared, overlays, flags)
    values: dict[str, Scalar] = {}
    hidden: dict[str, str] = {}
    for name, (kind, default) in declared.items():
        if default is _BROKEN and name not in given:
            values[name] = None
            continue
        value, origin = given.get(name, (default, draft.document))
        interpolation = Interpolation(origin or draft.document, Params(values, hidden), draft.files.project)
        value = interpolation.fill(value, ("params", name))
        draft.diagnostics.extend(interpolation.diagnostics)
        if value is None and name not in given:
            hint = f"give it by --param {name}=…, in conf/, or a default"
            draft.report("E114", f"param '{name}' has no value", ("params", name), hint, key=True)
        if interpolation.written:
            hidden[name] = interpolation.written["params", name]
        try:
            values[name] = None if interpolation.diagnostics else convert(value, kind)
        except Unconvertible as cause:
            at = origin.place(("params", name)) if origin is not None else NOWHERE
            reason = str(cause).replace(str(value), hidden[name]) if name in hidden else str(cause)
            draft.diagnostics.add("E111", f"param '{name}': {reason}", at, f"its type is {kind}")
            values[name] = None
    return Params(values, hidden)


def _declared(draft: Draft) -> dict[str, tuple[str, Any]]:
    """Name → type and default of each param that the pipeline declares."""
    declared = {}
    params = draft.values.get("params")
    for name, param in params.items() if isinstance(params, dict) else ():
        kind, default = str(param.get("type", "str")), param.get("default")
        if kind not in KINDS:  # the grammar says so
            kind = kind_of(default)
        try:
            convert(default if not (isinstance(default, str) and "${" in default) else None, kind)
        except Unconvertible as cause:
            message, hint = f"param '{name}': {cause}", f"its type is {kind}"
            draft.report("E111", message, ("params", name, "default"), hint)
            default = _BROKEN
        declared[str(name)] = (kind, default)
    return declared


def _given(
    draft: Draft, declared: Mapping[str, tuple[str, Any]], overlays: Sequence[Document], flags: Mapping[str, str]
) -> dict[str, tuple[Any, Document | None]]:
    """The values that environments and flags give, each with the file that says it; None: a flag says it."""
    given: dict[str, tuple[Any, Document | None]] = {}
    for overlay in overlays:
        params = overlay.values.get("params") if isinstance(overlay.values, dict) else None
        # An environment serves many pipelines, so a param that this one lacks is no mistake.
        given |= {name: (value, overlay) for name, value in (params if isinstance(params, dict) else {}).items()}
    for name, value in flags.items():
        if name in declared:
            given[name] = (value, None)
        else:
            hint = did_you_mean(name, declared) or f"the params are: {', '.join(declared) or 'none'}"
            draft.diagnostics.add("E110", f"--param {name}: this pipeline has no such param", hint=hint)
    return given
