"""Secrets: `${env:NAME}` and `${file:PATH}` resolved, and hidden again wherever a text leaves the program.

A text is redacted by value: every occurrence of a secret's value becomes its reference, so that a message still says which
one it was. A value is known from the moment it is resolved until the process ends. What is too short to be told apart from
ordinary text, or a word of the grammar's own, is not looked for: see docs/concepts/secrets.md.
"""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from etl.errors import EtlError

T = TypeVar("T")

LEAST = 4
"""Characters of the shortest value that is looked for."""

_LINE = 8  # of a value of several lines, lines from this length on are looked for one by one
_WORDS = frozenset({"true", "false", "null", "none", "batch", "stream"})
_LOCK = threading.Lock()
_KNOWN: dict[str, str] = {}  # a form of a value → its reference
_COMPILED: dict[str, re.Pattern[str]] = {}
_VALUES: dict[str, str] = {}  # a reference → the value it had last


class Unavailable(ValueError):
    """A secret cannot be had; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def is_secret(name: str) -> bool:
    """Whether what stands between `${` and `}` is a secret's reference."""
    return name.startswith(("env:", "file:"))


def resolve(name: str, project: Path) -> str:
    """The value of `env:NAME`, or of `file:PATH` relative to the project; from now on it is redacted.

    Raises Unavailable where it is not there, cannot be read, is empty, or holds NUL.
    """
    kind, _, place = name.partition(":")
    value = _of_environment(place) if kind == "env" else _of_file(place, project)
    if "\0" in value:
        raise Unavailable(f"the secret ${{{name}}} holds a NUL character", "it must be text")
    if not value:
        raise Unavailable(f"the secret ${{{name}}} is empty", "give it a value")
    remember(value, f"${{{name}}}")
    return value


def _of_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise Unavailable(f"the environment variable {name} is not set", f"export {name}=… before the command")
    return value


def _of_file(place: str, project: Path) -> str:
    path = project / Path(place).expanduser()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unavailable(f"the secret's file {place} is not UTF-8", "save it as UTF-8") from None
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or str(cause)
        raise Unavailable(
            f"the secret's file {place} cannot be read: {reason}", "a path relative to the project"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def is_hidden(value: str) -> bool:
    """Whether a value is long enough, and unlike enough to ordinary text, to be looked for."""
    return len(value) >= LEAST and value.lower() not in _WORDS


def remember(value: str, reference: str) -> None:
    """From now on `redact` replaces `value`, in each form that a text may carry it in, by `reference`."""
    _VALUES[reference] = value
    if not is_hidden(value):
        return
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms.add(value.replace("\\", "\\\\").replace("'", "\\'"))  # as Spark writes a literal in its messages
    forms.add(html.escape(value))
    forms |= {quote(value), quote(value, safe=""), quote_plus(value)}
    forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= _LINE}
    with _LOCK:
        for form in forms:
            _KNOWN.setdefault(form, reference)
        _KNOWN[reference] = reference  # redacted text stays as it is when it is redacted again
        _COMPILED.clear()


def last_value(reference: str) -> str | None:
    """The value that a reference had when it was last resolved."""
    return _VALUES.get(reference)


def redact(text: str) -> str:
    """`text` with the value of every known secret replaced by its reference."""
    if not _KNOWN or not text:
        return text
    with _LOCK:
        pattern = _COMPILED.get("")
        if pattern is None:
            pattern = re.compile("|".join(re.escape(form) for form in sorted(_KNOWN, key=len, reverse=True)))
            _COMPILED[""] = pattern
        references = dict(_KNOWN)
    return pattern.sub(lambda match: references[match.group()], text)


def redacted(value: T) -> T:
    """A value of texts, lists, mappings and dataclasses with every text in it redacted."""
    hidden: T = _redacted(value) if _KNOWN else value
    return hidden


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: _redacted(getattr(value, item.name)) for item in dataclasses.fields(value) if item.init}
        return dataclasses.replace(value, **fields)
    if isinstance(value, Mapping):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_redacted(item) for item in value)
    return value


# Every error of ours, wherever it is raised, hides what this room knows; the room of errors lies below and cannot ask.
EtlError.redact = staticmethod(redact)
