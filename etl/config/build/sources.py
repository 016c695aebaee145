"""Sources made into their frozen specs, each held against what its format may say."""

from __future__ import annotations

from dataclasses import replace
from os.path import normpath
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from etl.config.build.links import open_link
from etl.config.build.starts import build_start
from etl.config.build.table_names import build_table_name
from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar.formats import FORMATS, option_names, wrong_options
from etl.config.grammar.plugins import PluginProblem, find_format
from etl.config.grammar.reader_options import OWNED_OPTIONS
from etl.config.object_uris import fault_of, is_object
from etl.config.schema.ddl import DdlError, parse
from etl.config.spec import RateLimitSpec, SourceSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.build.given import Given
    from etl.config.diagnostics import Location
    from etl.config.document.document import Document
    from etl.config.grammar import models
    from etl.config.grammar.formats import Format


def build_source(given: Given, name: str, model: models.Source, timezone: str) -> SourceSpec:
    """The source of that name; instants without an offset are of `timezone`."""
    path = ("sources", name)
    at = given.document.place(path, key=True)
    if model.pipeline is not None or model.flow is not None:
        return open_link(given, name, model)
    if model.format is None:
        given.report("E104", f"'format' is missing in source '{name}'", path, f"one of: {', '.join(FORMATS)}", key=True)
        return SourceSpec(name, "delta", "", at=at)
    try:
        declared = find_format(model.format)
    except PluginProblem as cause:
        given.report("E208", f"source '{name}': {cause}", (*path, "format"), cause.hint)
        declared = FORMATS["delta"]  # what only the plug-in could judge is not judged
    else:
        given.diagnostics.extend(_checked(given.document, name, model, declared))
    place, table = "", None
    if declared.place == "path" and model.path is not None:
        place = local_path(given, model.path, f"source '{name}'", given.document.place((*path, "path")))
    if declared.place == "table" and model.table is not None:
        table = build_table_name(given, model.table, None, f"source '{name}'", (*path, "table"))
    limit = model.rate_limit
    start = build_start(given, name, model, timezone)
    return SourceSpec(
        name=name,
        format=model.format,
        path=place,
        schema=(model.schema_ if declared.schema != "own" else None) or declared.columns,
        options=tuple(sorted(_options(given, name, model, declared).items())),
        on_malformed=model.on_malformed,
        rate_limit=RateLimitSpec(limit.files, limit.bytes) if limit else RateLimitSpec(),
        start_ms=start.ms,
        start_version=start.version,
        table=table,
        replays=declared.replays,
        at=at,
    )


def _checked(document: Document, name: str, model: models.Source, declared: Format) -> Iterator[Diagnostic]:
    """What a source says that its format does not know, and what it leaves out."""
    path = ("sources", name)
    yield from _place(document, name, model, declared)
    if declared.schema == "own" and model.schema_ is not None:
        yield Diagnostic(
            "E205",
            f"source '{name}': a {model.format} source knows its own schema",
            document.place((*path, "schema"), key=True),
            "leave schema out",
        )
    if declared.schema == "required" and model.schema_ is None:
        yield Diagnostic(
            "E104",
            f"'schema' is missing in source '{name}': files must not be guessed at",
            document.place(path, key=True),
            'give Spark DDL, such as "id BIGINT, name STRING"',
        )
    if model.schema_ is not None:
        yield from _schema(document, name, model.schema_)
    if model.on_malformed != "fail" and not declared.malformed:
        yield Diagnostic(
            "E205",
            f"source '{name}': {model.format} has no malformed rows",
            document.place((*path, "on_malformed"), key=True),
            "leave on_malformed out",
        )
    yield from _rate_limit(document, name, model, declared)


def _rate_limit(document: Document, name: str, model: models.Source, declared: Format) -> Iterator[Diagnostic]:
    limit = model.rate_limit
    if limit is None:
        return
    at = document.place(("sources", name, "rate_limit"), key=True)
    if not declared.limits:
        message = f"source '{name}': a {model.format} source has no rate_limit"
        hint = "leave rate_limit out" + (", use options: rowsPerSecond" if model.format == "rate" else "")
        yield Diagnostic("E205", message, at, hint)
    elif (limit.files is None) == (limit.bytes is None):
        yield Diagnostic("E224", f"source '{name}': rate_limit takes either files or bytes", at, "say one of them")


def _place(document: Document, name: str, model: models.Source, declared: Format) -> Iterator[Diagnostic]:
    """Each format lies at a path, is a table, or is nowhere; the other keys would be ignored."""
    path = ("sources", name)
    for key, value in (("path", model.path), ("table", model.table)):
        if value is not None and key != declared.place:
            hint = {"path": "say path:", "table": "say table: schema.name", "nowhere": "leave it out"}[declared.place]
            if key == "table" and model.format == "delta":
                hint = "say format: table, or path:"
            message = f"source '{name}': a {model.format} source has no {key}"
            yield Diagnostic("E205", message, document.place((*path, key), key=True), hint)
        elif value is None and key == declared.place:
            hint = "a folder, a file or a glob" if key == "path" else "the table's name in the catalog"
            yield Diagnostic("E104", f"'{key}' is missing in source '{name}'", document.place(path, key=True), hint)


def _options(given: Given, name: str, model: models.Source, declared: Format) -> dict[str, str]:
    """The options that reach the reader. What `defaults` says of all sources reaches those whose format knows it."""
    path, options = ("sources", name, "options"), dict(model.options)
    own = _own_options(given, name, model)
    for key in model.options:
        setting = OWNED_OPTIONS.get(key.lower())
        if setting:
            message = f"source '{name}': the option '{key}' belongs to the framework"
            given.report("E207", message, (*path, key), f"use {setting}", key=True)
    names = option_names(declared.options)
    for key, fault in wrong_options(declared.options, model.options):
        if fault == "unknown" and key.lower() not in own:
            del options[key]
        elif fault in ("unknown", "missing"):
            hint = did_you_mean(key, names) or f"known here: {', '.join(names) or 'none'}"
            code = "E103" if fault == "unknown" else "E104"
            given.report(code, f"source '{name}': {fault} option '{key}'", (*path, key), hint, key=fault == "unknown")
        else:
            given.report("E105", f"source '{name}': option '{key}': {fault}", (*path, key))
    return options


def _own_options(given: Given, name: str, model: models.Source) -> set[str]:
    """The options, in small letters, that a source says itself, so that `defaults` does not; of a `for_each`, all are its own."""
    values = given.document.values
    source = values.get("sources", {}).get(name) if isinstance(values, dict) else None
    options = (source.get("options") or {}) if isinstance(source, dict) else model.options
    return {key.lower() for key in options} if isinstance(options, dict) else set()


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
            f"the schema of source '{name}': column '{column.name}' has a name of the framework's own",
            replace(document.text_place(path, text, column.offset), width=len(column.name)),
            "rename it: _etl_ is reserved",
        )
        for column in columns
        if column.name.lower().startswith("_etl_")
    ]


def storage_path(given: Given, storage: str | None) -> str:
    """The root of storage: a local path, made absolute from the project, or a folder in an object store.

    `storage` is what the environment says; where it says nothing, the root is `.etl/<environment>` in the project.
    """
    text = storage or f".etl/{given.environment}"
    if not is_object(text):
        return local_path(given, text, "storage", given.storage_at)
    fault = fault_of(text)
    if fault:
        given.diagnostics.add("E136", f"storage: {fault}", given.storage_at, "s3a://bucket/folder")
    return text.rstrip("/")


def local_path(given: Given, text: str, what: str, at: Location) -> str:
    """A path as written at `at`, made absolute from the project; `what` names it in messages."""
    uri = urlsplit(text)
    if uri.scheme and uri.scheme != "file":
        message = f"{what}: paths of the kind {uri.scheme}: are not supported yet"
        hint = "use a local path, or s3a://bucket/folder" if what == "storage" else "use a local path"
        given.diagnostics.add("E900", message, at, hint)
        return text
    path = Path(unquote(uri.path) if uri.scheme == "file" else text).expanduser()
    # `..` goes to the folder that is written before it, also where that is a link: so Hadoop's paths, by which Spark reads, have it.
    return "/" + normpath(path if path.is_absolute() else given.files.project / path).lstrip("/")
