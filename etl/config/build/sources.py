"""Sources made into their frozen specs, each held against what its format may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from etl.config.build.links import open_link
from etl.config.build.starts import start_of
from etl.config.build.table_names import table_name
from etl.config.diagnostics import Diagnostic, Location, did_you_mean
from etl.config.grammar.formats import FORMATS, Format, option_names, wrong_options
from etl.config.grammar.plugins import PluginProblem, find_format
from etl.config.grammar.reader_options import OWNED_OPTIONS
from etl.config.object_uris import fault_of, is_object
from etl.config.schema.ddl import DdlError, parse
from etl.config.spec import RateLimitSpec, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from etl.config.build.given import Given
    from etl.config.document.document import Document
    from etl.config.grammar import models


def build_source(parts: Given, name: str, model: models.Source, zone: str, found: list[Diagnostic]) -> SourceSpec:
    """The source of that name, and what is wrong with what was said of it."""
    document, path = parts.document, ("sources", name)
    if model.pipeline is not None or model.flow is not None:
        return open_link(parts, name, model, found)
    if model.format is None:
        hint = f"one of: {', '.join(FORMATS)}"
        found.append(
            Diagnostic("E104", f"'format' is missing in source '{name}'", document.place(path, key=True), hint)
        )
        return SourceSpec(name, "delta", "", at=document.place(path, key=True))
    wanted = _format(document, name, model.format, found)
    if not any(item.code == "E208" for item in found):
        found += _checked(document, name, model, wanted)
    place, table = "", None
    if wanted.place == "path" and model.path is not None:
        at = document.place((*path, "path"))
        place = local_path(model.path, parts.place.project, f"source '{name}'", at, found)
    if wanted.place == "table" and model.table is not None:
        table = table_name(model.table, None, f"source '{name}'", document.place((*path, "table")), found)
    limit = model.rate_limit
    started = start_of(parts, name, model, zone, found)
    return SourceSpec(
        name=name,
        format=model.format,
        path=place,
        schema=(model.schema_ if wanted.schema != "own" else None) or wanted.columns,
        options=tuple(sorted(_options(document, name, model.options, wanted, found).items())),
        on_malformed=model.on_malformed,
        rate_limit=RateLimitSpec(limit.files, limit.bytes) if limit else RateLimitSpec(),
        start_ms=started.ms,
        start_version=started.version,
        table=table,
        replays=wanted.replays,
        at=document.place(path, key=True),
    )


def _format(document: Document, name: str, wanted: str, found: list[Diagnostic]) -> Format:
    try:
        return find_format(wanted)
    except PluginProblem as cause:
        at = document.place(("sources", name, "format"))
        found.append(Diagnostic("E208", f"source '{name}': {cause}", at, cause.hint))
        return FORMATS["delta"]  # what only the plug-in could judge is not judged


def _checked(document: Document, name: str, model: models.Source, wanted: Format) -> Iterator[Diagnostic]:
    path = ("sources", name)
    yield from _place(document, name, model, wanted)
    if wanted.schema == "own" and model.schema_ is not None:
        yield Diagnostic(
            "E205",
            f"source '{name}': a {model.format} source knows its own schema",
            document.place((*path, "schema"), key=True),
            "leave schema out",
        )
    if wanted.schema == "required" and model.schema_ is None:
        yield Diagnostic(
            "E104",
            f"'schema' is missing in source '{name}': files must not be guessed at",
            document.place(path, key=True),
            'give Spark DDL, such as "id BIGINT, name STRING"',
        )
    if model.schema_ is not None:
        yield from _schema(document, name, model.schema_)
    if model.on_malformed != "fail" and not wanted.malformed:
        yield Diagnostic(
            "E205",
            f"source '{name}': {model.format} has no malformed rows",
            document.place((*path, "on_malformed"), key=True),
            "leave on_malformed out",
        )
    limit = model.rate_limit
    if limit is not None and not wanted.limits:
        yield Diagnostic(
            "E205",
            f"source '{name}': a {model.format} source has no rate_limit",
            document.place((*path, "rate_limit"), key=True),
            "leave rate_limit out" + (", use options: rowsPerSecond" if model.format == "rate" else ""),
        )
    elif limit is not None and (limit.files is None) == (limit.bytes is None):
        yield Diagnostic(
            "E224",
            f"source '{name}': rate_limit takes either files or bytes",
            document.place((*path, "rate_limit"), key=True),
            "say one of them",
        )


def _place(document: Document, name: str, model: models.Source, wanted: Format) -> Iterator[Diagnostic]:
    """Each format lies at a path, is a table, or is nowhere; the other keys would be ignored."""
    path = ("sources", name)
    for key, value in (("path", model.path), ("table", model.table)):
        if value is not None and key != wanted.place:
            hint = {"path": "say path:", "table": "say table: schema.name", "nowhere": "leave it out"}[wanted.place]
            if key == "table" and model.format == "delta":
                hint = "say format: table, or path:"
            yield Diagnostic(
                "E205",
                f"source '{name}': a {model.format} source has no {key}",
                document.place((*path, key), key=True),
                hint,
            )
        elif value is None and key == wanted.place:
            yield Diagnostic(
                "E104",
                f"'{key}' is missing in source '{name}'",
                document.place(path, key=True),
                "a folder, a file or a glob" if key == "path" else "the table's name in the catalog",
            )


def _options(
    document: Document, name: str, options: Mapping[str, str], wanted: Format, found: list[Diagnostic]
) -> dict[str, str]:
    """The options that reach the reader. What `defaults` says of all sources reaches those whose format knows it."""
    path = ("sources", name)
    said = document.values.get("sources", {}).get(name) if isinstance(document.values, dict) else None
    own = (said.get("options") or {}) if isinstance(said, dict) else options  # of a `for_each`, all are its own
    written = {key.lower() for key in own} if isinstance(own, dict) else set()
    names, kept = option_names(wanted.options), dict(options)
    for key in options:
        owned = OWNED_OPTIONS.get(key.lower())
        if owned:
            found.append(
                Diagnostic(
                    "E207",
                    f"source '{name}': the option '{key}' belongs to the framework",
                    document.place((*path, "options", key), key=True),
                    f"use {owned}",
                )
            )
    for key, wrong in wrong_options(wanted.options, options):
        at = document.place((*path, "options", key), key=wrong == "unknown")
        if wrong == "unknown" and key.lower() not in written:
            del kept[key]
        elif wrong in ("unknown", "missing"):
            hint = did_you_mean(key, names) or f"known here: {', '.join(names) or 'none'}"
            message = f"source '{name}': {'unknown option' if wrong == 'unknown' else 'missing option'} '{key}'"
            found.append(Diagnostic("E103" if wrong == "unknown" else "E104", message, at, hint))
        else:
            found.append(Diagnostic("E105", f"source '{name}': option '{key}': {wrong}", at))
    return kept


def _schema(document: Document, name: str, text: str) -> list[Diagnostic]:
    path = ("sources", name, "schema")
    try:
        columns = parse(text)
    except DdlError as cause:
        place = replace(document.text_place(path, text, cause.offset), width=cause.width)
        return [Diagnostic(cause.code, f"the schema of source '{name}': {cause}", place, cause.hint)]
    return [
        Diagnostic(
            "E313",
            f"the schema of source '{name}': column '{item.name}' has a name of the framework's own",
            replace(document.text_place(path, text, item.offset), width=len(item.name)),
            "rename it: _etl_ is reserved",
        )
        for item in columns
        if item.name.lower().startswith("_etl_")
    ]


def storage_path(text: str, project: Path, at: Location, found: list[Diagnostic]) -> str:
    """The root of storage as written: a local path, made absolute from the project, or a folder in an object store."""
    if not is_object(text):
        return local_path(text, project, "storage", at, found)
    wrong = fault_of(text)
    if wrong:
        found.append(Diagnostic("E136", f"storage: {wrong}", at, "s3a://bucket/folder"))
    return text.rstrip("/")


def local_path(text: str, project: Path, what: str, at: Location, found: list[Diagnostic]) -> str:
    """A path as written, made absolute from the project."""
    parts = urlsplit(text)
    if parts.scheme and parts.scheme != "file":
        found.append(
            Diagnostic(
                "E900",
                f"{what}: paths of the kind {parts.scheme}: are not supported yet",
                at,
                "use a local path, or s3a://bucket/folder" if what == "storage" else "use a local path",
            )
        )
        return text
    local = unquote(parts.path) if parts.scheme == "file" else text
    path = Path(local).expanduser()
    return str(path if path.is_absolute() else (project / path)).rstrip("/") or "/"
