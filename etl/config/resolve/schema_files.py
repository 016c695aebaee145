"""`schema_file`: a source's schema in a file of its own, for schemas too long for YAML."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import did_you_mean
from etl.config.document.document import shown
from etl.config.schema.ddl import without_comments

if TYPE_CHECKING:
    from etl.config.resolve.draft import Draft


UNREAD = "unknown STRING"
"""What stands for a schema whose file cannot be read, which is reported."""


def read_schema_files(draft: Draft) -> Draft:
    """The draft with the text of each `schema_file` as the source's `schema`, whose places are then those of that file."""
    sources = draft.values.get("sources")
    if not isinstance(sources, dict):
        return draft
    document = draft.document
    read: dict[str, Any] = {}
    for name, source in sources.items():
        if not isinstance(source, dict) or not isinstance(source.get("schema_file"), str):
            continue
        path = ("sources", name, "schema_file")
        if source.get("schema") is not None:
            message = f"source '{name}' has both schema and schema_file"
            draft.report("E226", message, path, "leave one of them out", key=True)
            continue
        text = _read(draft, name, source["schema_file"])
        if text is not None:
            file = (draft.files.folder / source["schema_file"]).resolve()
            schema = ("sources", name, "schema")
            document = replace(
                document,
                keys={**document.keys, schema: document.place(path, key=True)},
                places={**document.places, schema: document.place(path)},
                elsewhere={**document.elsewhere, schema: (shown(file), tuple(text.splitlines()))},
            )
        # Without its text the rest of the source is still looked at.
        read[name] = {**source, "schema": without_comments(text) if text is not None else UNREAD}
    return replace(draft, document=document, values={**draft.values, "sources": {**sources, **read}})


def _read(draft: Draft, source: str, name: str) -> str | None:
    """The text of a schema's file, named from the pipeline's folder; None where there is none, which is reported."""
    path, folder = ("sources", source, "schema_file"), draft.files.folder
    file = (folder / name).resolve()
    if not file.is_relative_to(draft.files.project.resolve()):
        message = f"source '{source}': {name} lies outside the project"
        draft.report("E327", message, path, "keep the schema beside pipeline.yml")
        return None
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        draft.report("E325", f"source '{source}': {shown(file)} is not UTF-8", path, "save it as UTF-8")
        return None
    except (OSError, ValueError):
        reason = "cannot be read" if file.exists() else "does not exist"
        files = sorted(each.name for each in folder.iterdir() if each.suffix in (".ddl", ".sql", ".txt"))
        hint = did_you_mean(name, files) or f"the files there are: {', '.join(files) or 'none'}"
        draft.report("E325", f"source '{source}': {shown(file)} {reason}", path, hint)
        return None
    if not without_comments(text).strip():
        message = f"source '{source}': {shown(file)} holds no schema"
        draft.report("E310", message, path, "id BIGINT, name STRING")
        return None
    return text
