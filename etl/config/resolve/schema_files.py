"""`schema_file`: a source's schema in a file of its own, for schemas too long for YAML."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.document.document import shown
from etl.config.schema.ddl import without_comments

if TYPE_CHECKING:
    from etl.config.document.document import Document
    from etl.config.project import Place


def read_schema_files(
    document: Document, values: dict[str, Any], place: Place, found: list[Diagnostic]
) -> tuple[Document, dict[str, Any]]:
    """`values` with the text of each `schema_file` as the source's `schema`, whose places are then those of that file."""
    sources = values.get("sources")
    if not isinstance(sources, dict):
        return document, values
    read: dict[str, Any] = {}
    for name, item in sources.items():
        if not isinstance(item, dict) or not isinstance(item.get("schema_file"), str):
            continue
        path = ("sources", name, "schema_file")
        if item.get("schema") is not None:
            message = f"source '{name}' has both schema and schema_file"
            found.append(Diagnostic("E226", message, document.place(path, key=True), "leave one of them out"))
            continue
        text = _read(item["schema_file"], name, document, place, found)
        if text is not None:
            file = (place.folder / item["schema_file"]).resolve()
            at = ("sources", name, "schema")
            document = replace(
                document,
                keys={**document.keys, at: document.place(path, key=True)},
                places={**document.places, at: document.place(path)},
                elsewhere={**document.elsewhere, at: (shown(file), tuple(text.splitlines()))},
            )
        # Without its text the rest of the source is still looked at.
        read[name] = {**item, "schema": without_comments(text) if text is not None else "unknown STRING"}
    return document, {**values, "sources": {**sources, **read}} if read else values


def _read(file: str, name: str, document: Document, place: Place, found: list[Diagnostic]) -> str | None:
    at = document.place(("sources", name, "schema_file"))
    path = (place.folder / file).resolve()
    if not path.is_relative_to(place.project.resolve()):
        message = f"source '{name}': {file} lies outside the project"
        found.append(Diagnostic("E327", message, at, "keep the schema beside pipeline.yml"))
        return None
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        found.append(Diagnostic("E325", f"source '{name}': {shown(path)} is not UTF-8", at, "save it as UTF-8"))
        return None
    except (OSError, ValueError):
        reason = "cannot be read" if path.exists() else "does not exist"
        known = sorted(item.name for item in place.folder.iterdir() if item.suffix in (".ddl", ".sql", ".txt"))
        hint = did_you_mean(file, known) or f"the files there are: {', '.join(known) or 'none'}"
        found.append(Diagnostic("E325", f"source '{name}': {shown(path)} {reason}", at, hint))
        return None
    if not without_comments(text).strip():
        found.append(
            Diagnostic("E310", f"source '{name}': {shown(path)} holds no schema", at, "id BIGINT, name STRING")
        )
        return None
    return text
