"""A document held against a grammar: every mistake at its place, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import UNSUPPORTED_KEYS, UNSUPPORTED_VALUES, Model

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.config.document import Document, Path_

M = TypeVar("M", bound=Model)
_ANY = "*"
_FORMS = {"[key]", "[text]", "[mapping]"}  # pydantic adds to a place: a key, or the form of a value
_NAMED = {"params", "sources", "flows", "inputs", "expectations", "columns", "properties", "options", "conf"}


def validate(
    document: Document, values: Any, model: type[M], models: Mapping[tuple[str, ...], type[Model]]
) -> tuple[M | None, list[Diagnostic]]:
    """The model's value, or None and what is wrong with the document."""
    found = list(_unsupported(document, values))
    try:
        return model.model_validate(_without(values, found_paths(values))), found
    except ValidationError as cause:
        for error in cause.errors(include_url=False):
            found.append(_diagnostic(document, error, models))
        return None, found


def shape(path: Sequence[str | int]) -> tuple[str, ...]:
    """A path with the names that users choose replaced by `*`."""
    found: list[str] = []
    for index, part in enumerate(path):
        named = index > 0 and path[index - 1] in _NAMED and (len(found) < 2 or found[-1] != _ANY)  # noqa: PLR2004  # a parent and its name
        found.append(_ANY if named else str(part))
    return tuple(found)


def found_paths(values: Any) -> set[Path_]:
    """The places of what the full grammar knows and this version does not."""
    return {path for path, _ in _walk_unsupported(values, ())}


def _walk_unsupported(value: Any, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(value, dict):
        known = UNSUPPORTED_KEYS.get(shape(path), frozenset())
        for key, item in value.items():
            at = (*path, key)
            wanted = UNSUPPORTED_VALUES.get(shape(at))
            if key in known:
                yield at, f"'{key}' is not supported yet"
            elif wanted is not None and isinstance(item, str) and item in wanted:
                yield at, f"{key}: {item} is not supported yet"
            elif wanted is not None and isinstance(item, dict) and wanted & item.keys():
                yield at, f"{key}: {next(iter(wanted & item.keys()))} is not supported yet"
            else:
                yield from _walk_unsupported(item, at)


def _unsupported(document: Document, values: Any) -> Iterator[Diagnostic]:
    for path, message in _walk_unsupported(values, ()):
        value = path[-1] in ("format", "strategy", "incremental", "type")
        yield Diagnostic(
            "E900", message, document.place(path, key=not value), "a later version brings it; leave it out for now"
        )


def _without(value: Any, paths: set[Path_], path: Path_ = ()) -> Any:
    """`value` without what is reported already; a required choice keeps a stand-in, so that it is not reported twice."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        at = (*path, key)
        if at not in paths:
            kept[key] = _without(item, paths, at)
        elif shape(at) == ("sources", _ANY, "format"):
            kept[key] = "delta"
    return kept


def without(document: Document, value: Any, lines: set[int], path: Path_ = ()) -> Any:
    """`value` less the keys that stand, or whose values stand, on the given lines."""
    if isinstance(value, list):
        return [without(document, item, lines, (*path, index)) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        at = (*path, key)
        leaf = not isinstance(item, dict | list)
        if (document.place(at, key=True).line in lines or document.place(at).line in lines) and (leaf or len(path) > 1):
            continue
        kept[key] = without(document, item, lines, at)
    return kept


def _diagnostic(document: Document, error: Any, models: Mapping[tuple[str, ...], type[Model]]) -> Diagnostic:
    path: Path_ = tuple(part for part in error["loc"] if part not in _FORMS)
    kind = error["type"]
    owner = shape(path[:-1])
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        model = models.get(owner)
        known = [field.alias or key for key, field in model.model_fields.items()] if model else []
        hint = did_you_mean(name, known) or (f"known here: {', '.join(known)}" if known else "")
        return Diagnostic("E103", f"unknown key '{name}'{_inside(path)}", document.place(path, key=True), hint)
    if kind == "missing":
        return Diagnostic(
            "E104",
            f"'{name}' is missing{_inside(path)}",
            document.place(path[:-1], key=True),
            _describe(models, owner, name),
        )
    if kind == "string_pattern_mismatch":
        return Diagnostic(
            "E107",
            f"'{error['input']}' is no name",
            document.place(path, key=error["loc"][-1] == "[key]"),
            "a name is of the form [a-z][a-z0-9_]*",
        )
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if kind == "literal_error":
        expected = str(error["ctx"]["expected"])
        words = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
        return Diagnostic(
            "E105",
            f"{name}: '{given}' is none of {', '.join(words)}",
            document.place(path),
            did_you_mean(str(given), words) or f"say {expected}",
        )
    return Diagnostic(
        "E105", f"{name}: {message[:1].lower() + message[1:]}", document.place(path), _describe(models, owner, name)
    )


def _inside(path: Path_) -> str:
    names = {
        "flows": "flow",
        "sources": "source",
        "params": "param",
        "expectations": "expectation",
        "columns": "column",
    }
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
