"""From files to one frozen value: the pipeline, its environment laid over it, its params filled in, everything checked."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from etl.config.build.given import Given
from etl.config.build.links import Others, link
from etl.config.build.pipeline import build
from etl.config.checks.outputs import no_others
from etl.config.checks.pinned_settings import refused
from etl.config.checks.pipeline import Checked, check
from etl.config.checks.secrets import in_plans, literals, short
from etl.config.diagnostics import NOWHERE, Diagnostic, Diagnostics, did_you_mean
from etl.config.document.reader import read_document
from etl.config.grammar.models import ENVIRONMENT_MODELS, MODELS, Environment, Pipeline
from etl.config.grammar.validate import validate, without
from etl.config.project import PipelineFiles, environment_files, find, pipelines
from etl.config.resolve.defaults import first_draft
from etl.config.resolve.for_each import expand
from etl.config.resolve.params import Interpolation, Params, fill, resolve_params
from etl.config.resolve.schema_files import read_schema_files
from etl.config.views import inlined
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from etl.config.diagnostics import Location
    from etl.config.document.document import Document, Path_
    from etl.config.spec import PipelineSpec
    from etl.errors import Mistake

# Mistakes that stand on their own, whatever else a file should have said.
_ALONE = frozenset({"E200", "E206", "E207", "E209", "E210", "E211", "E235", "E236", "E237", "E247", "E253", "E254"})


def load(
    reference: str | Path,
    *,
    environment: str = "local",
    params: Mapping[str, str] | None = None,
    project: Path | None = None,
) -> PipelineSpec:
    """The pipeline that a name or a path means, in one environment.

    Raises ConfigurationError with every mistake of every file, in the order of their places.
    """
    files = find(reference, project)
    given, spec = _read(files, environment, params or {})
    return _checked(given, spec, _others(files.project, environment))


def neighbours(spec: PipelineSpec) -> tuple[tuple[PipelineSpec, ...], tuple[str, ...]]:
    """The project's other pipelines in the same environment, and the names of those with mistakes."""
    specs: list[PipelineSpec] = []
    unread: list[str] = []
    for name in pipelines(spec.project):
        if find(name, spec.project).file == spec.file:
            continue
        try:
            specs.append(load(name, environment=spec.environment, project=spec.project))
        except ConfigurationError:
            unread.append(name)
    return tuple(specs), tuple(unread)


def load_together(
    references: Sequence[str | Path], *, environment: str = "local", params: Mapping[str, str] | None = None
) -> tuple[PipelineSpec, ...]:
    """The pipelines that names and paths mean, in one environment, each of them once, in the order given.

    A param is given to each of them that declares it, also where another one of them reads its targets.
    Raises ConfigurationError with every mistake of every pipeline; a param that none of them declares is one.
    """
    flags = params or {}
    mistakes: list[Mistake] = []
    files: dict[Path, PipelineFiles] = {}
    for reference in references:
        try:
            found = find(reference)
            files.setdefault(found.file.resolve(), found)
        except ConfigurationError as cause:
            mistakes += cause.diagnostics
    read: list[tuple[Given, PipelineSpec | None]] = []
    for found in files.values():
        try:
            read.append(_read(found, environment, flags, shared=True))
        except ConfigurationError as cause:
            mistakes += cause.diagnostics
    if not mistakes:  # of a file that cannot be read nobody knows the params
        mistakes += _undeclared(flags, {name for given, _ in read for name in given.params})
    specs: list[PipelineSpec] = []
    projects = {given.files.project for given, _ in read}
    others = {project: _others(project, environment, flags, together=files) for project in projects}
    for given, spec in read:
        try:
            specs.append(_checked(given, spec, others[given.files.project]))
        except ConfigurationError as cause:
            mistakes += cause.diagnostics
    if mistakes:
        raise ConfigurationError(list(dict.fromkeys(mistakes)))
    return tuple(specs)


def _undeclared(flags: Mapping[str, str], declared: Collection[str]) -> Iterator[Diagnostic]:
    """The flags that are no param of any of several pipelines; `declared`: the params of all of them."""
    for name in flags:
        if name not in declared:
            hint = did_you_mean(name, declared) or f"the params are: {', '.join(sorted(declared)) or 'none'}"
            yield Diagnostic("E110", f"--param {name}: none of the pipelines has such a param", hint=hint)


def _checked(given: Given, spec: PipelineSpec | None, others: Others) -> PipelineSpec:
    """The spec, linked and checked; raises ConfigurationError with every mistake, in the order of their places."""
    checked = Checked(())
    if spec is not None:
        spec = link(given, spec, others)
        checked = check(spec, given.document, lambda name: others.get(name)[0])
        given.diagnostics.extend(checked.diagnostics)
    if spec is None or given.diagnostics.errors:
        raise ConfigurationError(_in_order(given.diagnostics.errors, given))
    given.diagnostics.extend(in_plans(spec))
    warnings = tuple(_in_order(given.diagnostics, given))
    return replace(inlined(spec)[0], warnings=warnings, unjudged=checked.unjudged)


def _others(
    project: Path,
    environment: str,
    flags: Mapping[str, str] = MappingProxyType({}),
    *,
    together: Collection[Path] = (),
) -> Others:
    """The other pipelines as the same environment has them; `flags` are for those alone whose files are among `together`."""

    def read(name: str) -> tuple[PipelineSpec | None, list[Diagnostic]]:
        try:
            files = find(project / "pipelines" / name, project)
            is_among = files.file.resolve() in together
            given, spec = _read(files, environment, flags if is_among else {}, shared=is_among)
        except ConfigurationError as cause:
            return None, [mistake for mistake in cause.diagnostics if isinstance(mistake, Diagnostic)]
        if spec is not None:
            given.diagnostics.extend(check(spec, given.document, no_others).diagnostics)
        return spec, _in_order(given.diagnostics.errors, given)

    return Others(project, read)


def _read(
    files: PipelineFiles, environment: str, flags: Mapping[str, str], *, shared: bool = False
) -> tuple[Given, PipelineSpec | None]:
    """A pipeline as its files say it, before its parts are held against each other; None where the grammar is wrong.

    `shared`: the flags are for other pipelines, too, so that those which this one does not declare are no mistake.
    """
    diagnostics = Diagnostics()
    document = read_document(files.file)
    overlays = _overlays(files, environment, diagnostics)
    draft = first_draft(files, document, diagnostics)
    params = resolve_params(draft, overlays, flags, shared=shared)
    draft, expanded = expand(draft, params)
    draft, secrets = fill(draft, params)
    draft = read_schema_files(draft)
    model, mistakes = validate(draft.document, draft.values, Pipeline, MODELS)
    diagnostics.extend(mistakes)
    environments = [_environment(overlay, params, files, diagnostics) for overlay in overlays]
    written: dict[Path_, str] = {**secrets}
    written |= {("params", name): text for name, text in params.hidden.items()}
    for _, texts in filter(None, environments):
        written |= {path: text for path, text in texts.items() if path[:1] != ("params",)}
    storage_at = _storage_at(overlays)
    given = Given(files, draft.document, environment, params.values, written, expanded, storage_at, diagnostics)
    diagnostics.extend([*literals(draft.document, "pipeline"), *short(draft.document, written)])
    for overlay in overlays:
        diagnostics.extend(literals(overlay, "environment"))
    if model is None or any(each.code == "E900" for each in mistakes):  # what is left of it is not what was meant
        _look_further(given, draft.values, mistakes)
        return given, None
    return given, build(given, model, [overlay for overlay, _ in filter(None, environments)])


def _look_further(given: Given, values: dict[str, Any], mistakes: list[Diagnostic]) -> None:
    """Find what else is wrong in a file whose grammar is: with the wrong values left out, the rest is still checked."""
    lines = {mistake.at.line for mistake in mistakes}
    model, more = validate(given.document, without(given.document, values, lines), Pipeline, MODELS)
    if model is None or more:
        return
    rest = replace(given, diagnostics=Diagnostics())
    spec = build(rest, model, ())
    rest.diagnostics.extend(check(spec, given.document, no_others).diagnostics)
    # What a value that was left out would have said is not known, so only what stands on its own is reported.
    given.diagnostics.extend(each for each in rest.diagnostics if each.code[:2] == "E3" or each.code in _ALONE)


def _in_order(diagnostics: Iterable[Diagnostic], given: Given) -> list[Diagnostic]:
    """Each mistake once, in the order of the files; what a `for_each` or `defaults` has multiplied is one mistake."""
    document = given.document
    families = {f"'{name}'": f"'{instance.family}'" for (_, name), instance in given.expanded.instances.items()}
    defaults = {
        at
        for locations in (document.keys, document.places)
        for path, at in locations.items()
        if path[:1] == ("defaults",)
    }
    unique: dict[object, Diagnostic] = {}
    for diagnostic in diagnostics:
        message = diagnostic.message
        if diagnostic.at in defaults:
            shown = re.sub(r" in (?:source|flow) '\w+'", " in 'defaults'", message)
            unique.setdefault((diagnostic.code, diagnostic.at, ""), replace(diagnostic, message=shown))
        else:
            written = re.sub(r"'\w+'", lambda match: families.get(match.group(), match.group()), message)
            unique.setdefault((diagnostic.code, diagnostic.at, written), diagnostic)
    return sorted(unique.values(), key=lambda each: (each.at.file, each.at.line, each.at.column, each.code))


def _overlays(files: PipelineFiles, environment: str, diagnostics: Diagnostics) -> list[Document]:
    """The files of an environment, the base first; those that cannot be read are reported."""
    documents = (_overlay(file, diagnostics) for file in environment_files(files.project, environment) if file)
    return [document for document in documents if document is not None]


def _overlay(file: Path, diagnostics: Diagnostics) -> Document | None:
    try:
        return read_document(file)
    except ConfigurationError as cause:
        diagnostics.extend(mistake for mistake in cause.diagnostics if isinstance(mistake, Diagnostic))
        return None


def check_environments(project: Path, but: str) -> list[Diagnostic]:
    """What is wrong with the files of the environments that a pipeline was not loaded in; their secrets are not asked for."""
    diagnostics = Diagnostics()
    for file in sorted((project / "conf").glob("*.yml")):
        if file.stem in ("base", but):
            continue
        document = _overlay(file, diagnostics)
        values = _mapping(document, diagnostics) if document is not None else None
        if document is not None and values is not None:
            literal = {key: _literal(value) for key, value in values.items()}  # what a key is, is judged all the same
            _validate_environment(document, literal, diagnostics)
    return list(diagnostics)


def _literal(value: Any) -> Any:
    """`value` without the keys of mappings whose values only a param or a secret says."""
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items() if not (isinstance(inner, str) and "${" in inner)}
    return value


def _environment(
    document: Document, params: Params, files: PipelineFiles, diagnostics: Diagnostics
) -> tuple[Environment, dict[Path_, str]] | None:
    """An environment's file as the grammar knows it, and where secrets stand in it; None where the file is wrong."""
    values = _mapping(document, diagnostics)
    if values is None:
        return None
    if isinstance(values.get("params"), dict):
        # An environment serves many pipelines: what it says of the params of others, and their secrets, is not asked for here.
        values["params"] = {name: value for name, value in values["params"].items() if name in params.values}
    interpolation = Interpolation(document, params, files.project)
    values = interpolation.fill(values)
    diagnostics.extend(interpolation.diagnostics)
    model = _validate_environment(document, values, diagnostics)
    return None if model is None else (model, interpolation.written)


def _mapping(document: Document, diagnostics: Diagnostics) -> dict[str, Any] | None:
    """The values of an environment's file, without `x-…`; None where it is no mapping, which is reported."""
    if isinstance(document.values, dict):
        return {key: value for key, value in document.values.items() if not key.startswith("x-")}
    diagnostics.add("E134", "the file is no mapping", document.place(()), "storage: …, params: {…}, run: {…}")
    return None


def _validate_environment(document: Document, values: dict[str, Any], diagnostics: Diagnostics) -> Environment | None:
    model, mistakes = validate(document, values, Environment, ENVIRONMENT_MODELS)
    diagnostics.extend(mistakes)
    spark = values.get("spark")
    conf = spark.get("conf") if isinstance(spark, dict) else None
    if isinstance(conf, dict):
        diagnostics.extend(refused(document, conf, str(values.get("storage", ""))))
    return model


def _storage_at(overlays: list[Document]) -> Location:
    """Where the environment says `storage`; NOWHERE, where it does not."""
    saying = [each for each in overlays if isinstance(each.values, dict) and each.values.get("storage")]
    return saying[-1].place(("storage",)) if saying else NOWHERE
