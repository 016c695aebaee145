"""A flow's transform: which one of the three it is, where its text or file lies, whether it fits the flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.build import python_functions
from etl.config.diagnostics import Diagnostic, Location, Places, in_file
from etl.config.document.document import shown
from etl.config.grammar import models
from etl.config.spec import IdentityTransform, PythonTransform, SqlTransform, TransformSpec
from etl.config.sql.query import check_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.build.given import Given


def transform(parts: Given, name: str, model: models.Flow, found: list[Diagnostic]) -> TransformSpec:
    """A flow's transform; the identity where it is wrong, with what is wrong added to `found`."""
    document, path, wanted = parts.document, ("flows", name, "transform"), model.transform
    at = document.place(path, key=True)
    if wanted is None:
        if len(model.inputs) != 1:
            found.append(
                Diagnostic(
                    "E126",
                    f"flow '{name}' has {len(model.inputs)} inputs and no transform",
                    document.place(("flows", name, "inputs"), key=True),
                    "write a transform that makes one of them",
                )
            )
        return IdentityTransform()
    given = [key for key in ("sql", "sql_file", "python") if getattr(wanted, key) is not None]
    if len(given) != 1:
        found.append(
            Diagnostic(
                "E126",
                f"the transform of flow '{name}' takes exactly one of sql, sql_file, python",
                at,
                f"it has {' and '.join(given) or 'none'}",
            )
        )
        return IdentityTransform()
    if wanted.python is not None:
        return _python(parts, name, wanted.python, tuple(model.inputs), found)
    if wanted.sql_file is not None:
        return _sql_file(parts, name, wanted.sql_file, _places(parts, name, model), found)
    text = wanted.sql or ""
    place = document.text_place((*path, "sql"), text)
    found += check_sql(
        text,
        document.locate((*path, "sql"), text),
        inputs=_places(parts, name, model),
        params=(*parts.params, *parts.instance("flows", name).variables),
        flow=name,
    )
    return SqlTransform(text, None, place, document.text_places((*path, "sql"), text))


def _places(parts: Given, name: str, model: models.Flow) -> dict[str, Location]:
    """Each input, and where it is declared."""
    return {item: parts.document.place(("flows", name, "inputs", item), key=True) for item in model.inputs}


def _sql_file(
    parts: Given, name: str, file: str, inputs: Mapping[str, Location], found: list[Diagnostic]
) -> TransformSpec:
    at = parts.document.place(("flows", name, "transform", "sql_file"))
    path = (parts.place.folder / file).resolve()
    if not path.is_relative_to(parts.place.project.resolve()):
        found.append(
            Diagnostic(
                "E327", f"flow '{name}': {file} lies outside the project", at, "keep SQL files beside pipeline.yml"
            )
        )
        return IdentityTransform()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        reason = (
            "is not UTF-8"
            if isinstance(cause, UnicodeDecodeError)
            else "does not exist"
            if isinstance(cause, FileNotFoundError)
            else "cannot be read"
        )
        known = sorted(item.name for item in parts.place.folder.glob("*.sql"))
        found.append(
            Diagnostic(
                "E325",
                f"flow '{name}': {shown(path)} {reason}",
                at,
                f"the SQL files there are: {', '.join(known) or 'none'}",
            )
        )
        return IdentityTransform()
    place = Location(shown(path), 1, 1, 1, (text.splitlines() or [""])[0])
    found += check_sql(
        text,
        in_file(place.file, text),
        inputs=inputs,
        params=(*parts.params, *parts.instance("flows", name).variables),
        flow=name,
    )
    return SqlTransform(text, shown(path), place, Places.of_file(place.file, text))


def _python(parts: Given, name: str, reference: str, inputs: tuple[str, ...], found: list[Diagnostic]) -> TransformSpec:
    at = parts.document.place(("flows", name, "transform", "python"))
    module, colon, function = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")) or not function.isidentifier():
        found.append(
            Diagnostic(
                "E323",
                f"flow '{name}': '{reference}' is no reference of the form module:function",
                at,
                "such as transforms:clean",
            )
        )
        return IdentityTransform()
    relative = Path(*module.split(".")).with_suffix(".py")
    candidates = [parts.place.folder / relative, parts.place.project / "lib" / relative]
    file = next((item for item in candidates if item.is_file()), None)
    if file is None or not file.resolve().is_relative_to(parts.place.project.resolve()):
        known = sorted(item.stem for item in parts.place.folder.glob("*.py"))
        found.append(
            Diagnostic(
                "E322",
                f"flow '{name}': there is no {shown(candidates[0])}",
                at,
                f"the modules there are: {', '.join(known) or 'none'}",
            )
        )
        return IdentityTransform()
    found += python_functions.check_python(file, function, at, inputs=inputs, flow=name, shown=shown(file))
    return PythonTransform(module, function, str(file), at)
