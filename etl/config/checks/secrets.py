"""Secrets that stand in a file themselves, and secrets that cannot be hidden: warnings, since both work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from etl.config.diagnostics import Diagnostic, Location
from etl.config.secrets import LEAST, is_hidden, last_value
from etl.config.spec import SqlTransform
from etl.config.sql.bound import params_in
from etl.config.sql.syntax import markers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.document.document import Document, Path_
    from etl.config.spec import PipelineSpec

_LIKE_A_SECRET = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|credential|^(?:key|pwd)$|(?:api|access|private|account|auth|encryption|sas)[._-]?key",
    re.IGNORECASE,
)
# Where a value has a name that its author chose, or that some system gave it.
_PLACES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "pipeline": (
        ("params", "*"),
        ("params", "*", "default"),
        ("sources", "*", "options", "*"),
        ("flows", "*", "sink", "properties", "*"),
        ("defaults", "source", "options", "*"),
        ("defaults", "flow", "sink", "properties", "*"),
    ),
    "environment": (("params", "*"), ("spark", "conf", "*")),
}


def literals(document: Document, kind: Literal["pipeline", "environment"]) -> list[Diagnostic]:
    """A warning for each option or param that has a secret's name, and its value beside it."""
    diagnostics = []
    for path, value in _leaves(document.values, ()):
        fits = any(
            len(path) == len(place) and all(want in ("*", str(part)) for want, part in zip(place, path, strict=True))
            for place in _PLACES[kind]
        )
        name = str(path[-2] if path[-1] == "default" else path[-1]) if fits else ""
        if not fits or not _LIKE_A_SECRET.search(name) or isinstance(value, bool) or value in (None, ""):
            continue
        if isinstance(value, str) and "${" in value:
            continue
        message = f"'{name}' looks like a secret, and its value stands in the file"
        diagnostics.append(
            Diagnostic(
                "W101",
                message,
                _hiding(document, path),
                "keep it elsewhere: ${env:NAME}, or ${file:PATH}; then change it",
            )
        )
    return diagnostics


def short(document: Document, written: Mapping[Path_, str]) -> list[Diagnostic]:
    """A warning for each secret that will not be hidden in texts."""
    diagnostics = []
    for path, text in written.items():
        for reference in re.findall(r"\$\{(?:env|file):[^}]*\}", text):
            value = last_value(reference)
            if value is not None and not is_hidden(value):
                message = f"the secret {reference} is too short, or too ordinary a word, to be hidden where it shows"
                hint = f"give it {LEAST} characters or more; or make it a param, if it is none"
                diagnostics.append(Diagnostic("W102", message, document.place(path), hint))
    return diagnostics


def in_plans(spec: PipelineSpec) -> list[Diagnostic]:
    """A warning for each query that reads a secret: Spark writes a plan's literals into its UI and event log."""
    hidden = {str(path[1]) for path, _ in spec.references if path[0] == "params"}
    diagnostics = []
    for flow in spec.flows if hidden else ():
        transform = flow.transform
        at, named = flow.at, params_in(flow)
        if isinstance(transform, SqlTransform):
            at, named = transform.at, named | markers(transform.text)
        for name in sorted(named & hidden):
            message = f"the SQL of flow '{flow.name}' reads the secret :{name}, which Spark's UI and event log show where they are on"
            diagnostics.append(Diagnostic("W104", message, at, "read it in a Python transform, from params"))
    return diagnostics


def _leaves(value: Any, path: Path_) -> Iterator[tuple[Path_, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif not isinstance(value, list):
        yield path, value


def _hiding(document: Document, path: Path_) -> Location:
    """The place of the key, its line without the value."""
    key, value = document.place(path, key=True), document.place(path)
    if value.line != key.line or value.column <= key.column:
        return key
    return Location(key.file, key.line, key.column, key.width, key.text[: value.column - 1] + "***")
