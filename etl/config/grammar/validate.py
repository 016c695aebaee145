"""A document held against a grammar: every mistake at its place, in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from etl.config.diagnostics import Diagnostic, Location, did_you_mean
from etl.config.grammar.model import Model
from etl.config.grammar.models import UNSUPPORTED_KEYS, UNSUPPORTED_VALUES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from etl.config.document.document import Document, Path_

M = TypeVar("M", bound=Model)
_LONG = 40
# pydantic's kinds of errors in a user's words.
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "tuple_type": "a list",
}
_AS_WRITTEN = {
    "text": "write text, in quotes where it looks like a number",
    "a whole number": "write digits, without quotes",
    "a number": "write a number, without quotes",
    "true or false": "write true or false, without quotes",
    "a mapping": "write keys with values",
    "a list": "write [one, another]",
}
_LABELS = frozenset({"str", "int", "float", "bool", "date", "datetime", "constrained-str", "constrained-int"})
_BOUNDS = {
    "greater_than": "above",
    "greater_than_equal": "not below",
    "less_than": "below",
    "less_than_equal": "not above",
}
_EMPTY = frozenset({"string_too_short", "too_short"})
_ANY = "*"
# What pydantic adds to a place: that it is a key, or which form a value has.
_FORMS = frozenset({"[key]", "[text]", "[list]", "[mapping]", "[state]"})
_NAMED = {
    "params",
    "sources",
    "flows",
    "inputs",
    "expectations",
    "columns",
    "equality",
    "properties",
    "options",
    "conf",
    "tests",
}


def validate(
    document: Document, values: Any, model: type[M], models: Mapping[tuple[str, ...], type[Model]]
) -> tuple[M | None, list[Diagnostic]]:
    """The values as a `model`, None where they are none, with every mistake in them; `models` describes the keys below it."""
    unsupported = dict(_walk_unsupported(values, ()))
    diagnostics = list(_unsupported(document, unsupported))
    try:
        return model.model_validate(_without(values, unsupported.keys())), diagnostics
    except ValidationError as cause:
        diagnostics += _diagnostics(document, cause.errors(include_url=False), models)
        return None, diagnostics


def shape(path: Sequence[str | int]) -> tuple[str, ...]:
    """A path with the names that users choose replaced by `*`."""
    shaped: list[str] = []
    for index, part in enumerate(path):
        named = index > 0 and path[index - 1] in _NAMED and (len(shaped) < 2 or shaped[-1] != _ANY)  # noqa: PLR2004  # a parent and its name
        shaped.append(_ANY if named else str(part))
    return tuple(shaped)


def _walk_unsupported(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    """The paths of the keys and values that the full grammar knows and this version does not support, and how they are told."""
    if isinstance(value, dict):
        keys = UNSUPPORTED_KEYS.get(shape(path), frozenset())
        for key, inner in value.items():
            at = (*path, key)
            values = UNSUPPORTED_VALUES.get(shape(at))
            if key in keys:
                yield at, f"'{key}'"
            elif values is not None and isinstance(inner, str) and inner in values:
                yield at, f"{key}: {inner}"
            elif values is not None and isinstance(inner, dict) and values & inner.keys():
                yield at, f"{key}: {next(iter(values & inner.keys()))}"
            else:
                yield from _walk_unsupported(inner, at)


def _unsupported(document: Document, unsupported: Mapping[Path_, str]) -> Iterator[Diagnostic]:
    for path, message in unsupported.items():
        value = path[-1] in ("format", "strategy", "incremental", "type", "mode", "trigger")
        yield not_yet(message, document.place(path, key=not value))


def not_yet(what: str, at: Location) -> Diagnostic:
    """The mistake of using what only the full grammar knows."""
    return Diagnostic("E900", f"{what} is not supported yet", at, "a later version brings it; leave it out for now")


def _without(value: Any, paths: Collection[Path_], path: Path_ = ()) -> Any:
    """`value` without what is reported already; a required choice keeps a stand-in, so that it is not reported twice."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        at = (*path, key)
        if at not in paths:
            kept[key] = _without(inner, paths, at)
        elif shape(at) == ("sources", _ANY, "format"):
            kept[key] = "delta"
        elif shape(path) == ("flows", _ANY, "expectations", _ANY):
            kept.setdefault("expr", "true")
    return kept


def without(document: Document, value: Any, lines: set[int], path: Path_ = ()) -> Any:
    """`value` less the keys that stand, or whose values stand, on the given lines."""
    if isinstance(value, list):
        return [without(document, inner, lines, (*path, index)) for index, inner in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        at = (*path, key)
        leaf = not isinstance(inner, dict | list)
        if (document.place(at, key=True).line in lines or document.place(at).line in lines) and (leaf or len(path) > 1):
            continue
        kept[key] = without(document, inner, lines, at)
    return kept


def _diagnostics(
    document: Document, errors: Sequence[Any], models: Mapping[tuple[str, ...], type[Model]]
) -> Iterator[Diagnostic]:
    """One mistake for each place; of a value that may be of several types, pydantic names each type alone."""
    alternatives: dict[Path_, list[str]] = {}
    for error in errors:
        path, words = _path(document, error), _TYPES.get(error["type"])
        if words is None:
            yield _diagnostic(document, path, error, models)
        elif path not in alternatives:
            alternatives[path] = [words]
        elif words not in alternatives[path]:
            alternatives[path].append(words)
    inputs = {_path(document, error): error.get("input") for error in errors}
    for path, types in alternatives.items():
        name = str(path[-1]) if path else "the file"
        choice = ", ".join(words for words in types if not (words == "a whole number" and "a number" in types))
        meaning = _describe(models, shape(path[:-1]), name)
        hint = _AS_WRITTEN.get(types[0] if len(types) == 1 else "", "write one value")
        yield Diagnostic(
            "E105",
            f"{name}{_inside(path)}: {choice} belongs here, not {_shown(inputs[path])}",
            document.place(path),
            f"{hint}: {meaning[:1].lower()}{meaning[1:]}" if meaning else hint,
        )


def _path(document: Document, error: Any) -> Path_:
    """Where an error lies in the document: without the names that pydantic gives to a key, or to one type of several."""
    path: Path_ = tuple(part for part in error["loc"] if part not in _FORMS)
    while error["type"] in _TYPES and path and path not in document.places and str(path[-1]) in _LABELS:
        path = path[:-1]
    return path


def _diagnostic(
    document: Document, path: Path_, error: Any, models: Mapping[tuple[str, ...], type[Model]]
) -> Diagnostic:
    kind = error["type"]
    owner = shape(path[:-1])
    name = str(path[-1]) if path else "the file"
    value = error.get("input")
    if kind == "extra_forbidden":
        model = models.get(owner)
        keys = [field.alias or key for key, field in model.model_fields.items()] if model else []
        hint = _cut_off(document, path, name, value) or did_you_mean(name, keys)
        hint = hint or (f"known here: {', '.join(keys)}" if keys else "")
        return Diagnostic("E103", f"unknown key '{name}'{_inside(path)}", document.place(path, key=True), hint)
    if kind == "missing":
        # A whole file that lacks a key lacks it at its top.
        at, meaning = document.place(path[:-1], key=True), _describe(models, owner, name)
        hint = f"add it: {meaning[:1].lower()}{meaning[1:]}" if meaning else "add it"
        return Diagnostic("E104", f"'{name}' is missing{_inside(path)}", at, hint)
    if kind == "string_pattern_mismatch":
        at = document.place(path, key=error["loc"][-1] == "[key]")
        hint = "a name has small letters, digits and '_', and begins with a letter"
        near = re.sub(r"[^a-z0-9_]+", "_", str(value).lower()).strip("_")
        if re.fullmatch(r"[a-z][a-z0-9_]*", near):
            hint += f": '{near}'"
        return Diagnostic("E107", f"'{value}' is no name", at, hint)
    if kind == "literal_error":
        expected = str(error["ctx"]["expected"])
        words = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
        hint = did_you_mean(str(value), words) or "say one of them"
        message = f"{name}: {_shown(value)} is none of {', '.join(words)}"
        if len(words) == 1:
            message, hint = f"{name}: {_shown(value)} is not {words[0]}", f"say {name}: {words[0]}"
        return Diagnostic("E121", message, document.place(path), hint)
    if kind in _BOUNDS:
        bound = f"{_BOUNDS[kind]} {next(iter(error['ctx'].values()))}"
        return Diagnostic("E122", f"{name}: {_shown(value)} is out of range", document.place(path), f"a number {bound}")
    if kind in _EMPTY:
        what = {"str": "text", "dict": "mapping"}.get(type(value).__name__, "list")
        hint = _describe(models, owner, name) or "fill it in, or leave the key out"
        return Diagnostic("E125", f"{name}: the {what} is empty", document.place(path), hint)
    if kind in ("size", "share"):
        return Diagnostic("E122", f"{name}: {error['msg']}", document.place(path), error["ctx"]["hint"])
    if kind == "duration":
        return Diagnostic("E123", f"{name}: {error['msg']}", document.place(path), error["ctx"]["hint"])
    reason = str(error["msg"]).removeprefix("Value error, ")
    message = f"{name}: {reason[:1].lower() + reason[1:]}"
    return Diagnostic("E105", message, document.place(path), _describe(models, owner, name))


def _cut_off(document: Document, path: Path_, name: str, value: Any) -> str:
    """What to do where a key is the rest of a value that a comma within `{…}` has ended; empty where it is not."""
    siblings = [key for key in document.keys if key[:-1] == path[:-1]]
    place = siblings.index(path) if path in siblings else 0
    if value is not None or " " not in name or not place:
        return ""
    before = siblings[place - 1]
    if document.keys[before].line != document.keys[path].line:
        return ""
    return f"a comma within {{…}} ends a value: put the whole value of '{before[-1]}' in quotes"


def _shown(value: Any) -> str:
    """A value as a message names it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"'{value if len(value) <= _LONG else value[:_LONG] + '…'}'"
    return "nothing" if value is None else str(value)


def _inside(path: Path_) -> str:
    names = {
        "flows": "flow",
        "sources": "source",
        "params": "param",
        "expectations": "expectation",
        "columns": "column",
    }
    if path[:1] == ("tests",) and len(path) > 2:  # noqa: PLR2004  # a key of a test
        return f" in test {int(path[1]) + 1}"
    for index in range(len(path) - 2, 0, -1):
        if path[index - 1] in names:
            return f" in {names[str(path[index - 1])]} '{path[index]}'"
    return f" in '{path[-2]}'" if len(path) > 1 else ""


def _describe(models: Mapping[tuple[str, ...], type[Model]], owner: tuple[str, ...], name: str) -> str:
    model = models.get(owner)
    for key, field in (model.model_fields if model else {}).items():
        if name in (key, field.alias):
            return (field.description or "").rstrip(".")
    return ""
