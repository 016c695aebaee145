"""A flow's transform: which one of the three it is, where its text or file lies, whether it fits the flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from etl.config.build.python_functions import check_python
from etl.config.diagnostics import Location, Places, in_file
from etl.config.document.document import shown
from etl.config.spec import IdentityTransform, PythonTransform, SqlTransform, TransformSpec
from etl.config.sql.query import check_sql

if TYPE_CHECKING:
    from etl.config.build.given import Given
    from etl.config.diagnostics import Locate
    from etl.config.grammar import models


def build_transform(given: Given, flow: str, model: models.Flow) -> TransformSpec:
    """The transform of the flow of that name; the identity, as refused, where it is wrong."""
    path, transform = ("flows", flow, "transform"), model.transform
    if transform is None:
        if len(model.inputs) != 1:
            message = f"flow '{flow}' has {len(model.inputs)} inputs and no transform"
            given.report(
                "E126", message, ("flows", flow, "inputs"), "write a transform that makes one of them", key=True
            )
        return IdentityTransform(refused=len(model.inputs) != 1)
    keys = [key for key in ("sql", "sql_file", "python") if getattr(transform, key) is not None]
    if len(keys) != 1:
        message = f"the transform of flow '{flow}' takes exactly one of sql, sql_file, python"
        given.report("E126", message, path, f"it has {' and '.join(keys) or 'none'}", key=True)
        return IdentityTransform(refused=True)
    if transform.python is not None:
        return _python(given, flow, model, transform.python)
    if transform.sql_file is not None:
        return _sql_file(given, flow, model, transform.sql_file)
    text, document = transform.sql or "", given.document
    place = document.text_place((*path, "sql"), text)
    _check_sql(given, flow, model, text, document.locate((*path, "sql"), text))
    return SqlTransform(text, None, place, document.text_places((*path, "sql"), text))


def _check_sql(given: Given, flow: str, model: models.Flow, text: str, locate: Locate) -> None:
    inputs = {name: given.document.place(("flows", flow, "inputs", name), key=True) for name in model.inputs}
    given.diagnostics.extend(check_sql(text, locate, inputs=inputs, params=given.params_of(flow), flow=flow))


def _sql_file(given: Given, flow: str, model: models.Flow, name: str) -> TransformSpec:
    """The query in a file of that name, relative to the pipeline's folder; the identity where there is none."""
    path = ("flows", flow, "transform", "sql_file")
    file = (given.files.folder / name).resolve()
    if not file.is_relative_to(given.files.project.resolve()):
        message = f"flow '{flow}': {name} lies outside the project"
        given.report("E327", message, path, "keep SQL files beside pipeline.yml")
        return IdentityTransform(refused=True)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        reason = "does not exist" if isinstance(cause, FileNotFoundError) else "cannot be read"
        reason = "is not UTF-8" if isinstance(cause, UnicodeDecodeError) else reason
        files = ", ".join(sorted(each.name for each in given.files.folder.glob("*.sql"))) or "none"
        given.report("E325", f"flow '{flow}': {shown(file)} {reason}", path, f"the SQL files there are: {files}")
        return IdentityTransform(refused=True)
    place = Location(shown(file), 1, 1, 1, (text.splitlines() or [""])[0])
    _check_sql(given, flow, model, text, in_file(place.file, text))
    return SqlTransform(text, shown(file), place, Places.of_file(place.file, text))


def _python(given: Given, flow: str, model: models.Flow, reference: str) -> TransformSpec:
    """The function that a reference `module:function` names, of the pipeline's folder or of `lib/`; the identity where there is none."""
    path, folder = ("flows", flow, "transform", "python"), given.files.folder
    at = given.document.place(path)
    module, colon, function = reference.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")) or not function.isidentifier():
        message = f"flow '{flow}': '{reference}' is no reference of the form module:function"
        given.report("E323", message, path, "such as transforms:clean")
        return IdentityTransform(refused=True)
    relative = Path(*module.split(".")).with_suffix(".py")
    candidates = [folder / relative, given.files.project / "lib" / relative]
    file = next((candidate for candidate in candidates if candidate.is_file()), None)
    if file is None or not file.resolve().is_relative_to(given.files.project.resolve()):
        modules = ", ".join(sorted(each.stem for each in folder.glob("*.py"))) or "none"
        message = f"flow '{flow}': there is no {shown(candidates[0])}"
        given.report("E322", message, path, f"the modules there are: {modules}")
        return IdentityTransform(refused=True)
    names = tuple(model.inputs)
    given.diagnostics.extend(check_python(file, function, at, inputs=names, flow=flow, shown=shown(file)))
    return PythonTransform(module, function, str(file), at)
