"""From files to one frozen value: the pipeline, its environment laid over it, its params filled in, everything checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.config.build.given import Given
from etl.config.build.links import Others, link
from etl.config.build.pipeline import build
from etl.config.checks.pinned_settings import refused
from etl.config.checks.pipeline import check
from etl.config.checks.secrets import in_plans, literals, short
from etl.config.diagnostics import NOWHERE, Diagnostic, did_you_mean
from etl.config.document.document import Document
from etl.config.document.reader import read_document
from etl.config.grammar.models import ENVIRONMENT_MODELS, MODELS, UNSUPPORTED_KEYS, Environment, Pipeline
from etl.config.grammar.validate import not_yet, validate, without
from etl.config.project import Place, environment_files, find
from etl.config.resolve.for_each import Expanded, expand
from etl.config.resolve.params import Interpolation, Params, declared_params, kind_of, resolve_params
from etl.config.resolve.schema_files import read_schema_files
from etl.config.views import inlined
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.config.document.document import Path_
    from etl.config.spec import PipelineSpec

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
    place = find(reference, project)
    files = _read(place, environment, params or {})
    found = files.found
    spec = files.spec
    if spec is not None:
        spec = link(spec, files.document, _others(place.project, environment), found)
        found += check(spec, files.document)
    if spec is None or not all(item.is_warning for item in found):
        raise ConfigurationError(_in_order([item for item in found if not item.is_warning], files.expanded))
    warned = [*found, *files.warned, *in_plans(spec)]
    return replace(inlined(spec)[0], warnings=tuple(_in_order(warned, files.expanded)))


@dataclass(frozen=True, slots=True)
class _Files:
    """A pipeline as its files say it, before its parts are held against each other."""

    spec: PipelineSpec | None  # None: the grammar is wrong
    document: Document
    expanded: Expanded
    found: list[Diagnostic]
    warned: list[Diagnostic]


def _others(project: Path, environment: str) -> Others:
    """The other pipelines as the same environment has them; flags are for one pipeline alone."""

    def read(name: str) -> tuple[PipelineSpec | None, list[Diagnostic]]:
        try:
            files = _read(find(project / "pipelines" / name, project), environment, {})
        except ConfigurationError as cause:
            return None, [item for item in cause.diagnostics if isinstance(item, Diagnostic)]
        found = [*files.found, *(check(files.spec, files.document) if files.spec is not None else ())]
        return files.spec, [item for item in _in_order(found, files.expanded) if not item.is_warning]

    return Others(project, read)


def _read(place: Place, environment: str, params: Mapping[str, str]) -> _Files:
    found: list[Diagnostic] = []
    document = read_document(place.file)
    overlays = _overlays(place, environment, found)
    values = _with_defaults(document, found)
    declared = declared_params(document, values, found)
    resolved = resolve_params(document, declared, overlays, params, place.project, found)
    expanded = expand(document, values, resolved, place.project, found)
    document, values = expanded.document, expanded.values
    filling = Interpolation(document, resolved.values, project=place.project, hidden=resolved.hidden)
    values = filling.fill(values)
    found += filling.found
    document, values = read_schema_files(document, values, place, found)
    model, wrong = validate(document, values, Pipeline, MODELS)
    found += wrong
    laid = [_validated_overlay(item, resolved, place, found) for item in overlays]
    written: dict[Path_, str] = {**filling.written}
    written |= {("params", name): text for name, text in resolved.hidden.items()}
    for _, more in filter(None, laid):
        written |= {path: text for path, text in more.items() if path[:1] != ("params",)}
    said = [item for item in overlays if isinstance(item.values, dict) and item.values.get("storage")]
    storage_at = said[-1].place(("storage",)) if said else NOWHERE
    given = Given(place, document, environment, resolved.values, written, expanded, storage_at)
    warned = [*literals(document, "pipeline"), *short(document, written)]
    for overlay in overlays:
        warned += literals(overlay, "environment")
    if model is None or any(item.code == "E900" for item in wrong):  # what is left of it is not what was meant
        _look_further(values, wrong, given, found)
        return _Files(None, document, expanded, found, warned)
    spec, wrong = build(given, model, tuple(item for item, _ in filter(None, laid)))
    return _Files(spec, document, expanded, [*found, *wrong], warned)


def _look_further(values: Any, wrong: list[Diagnostic], given: Given, found: list[Diagnostic]) -> None:
    """Find what else is wrong in a file whose grammar is: with the wrong values left out, the rest is still checked."""
    document = given.document
    lines = {item.at.line for item in wrong}
    rest, more = validate(document, without(document, values, lines), Pipeline, MODELS)
    if rest is None or more:
        return
    spec, further = build(given, rest, ())
    # What a value that was left out would have said is not known, so only what stands on its own is reported.
    found += [item for item in (*further, *check(spec, document)) if item.code[:2] == "E3" or item.code in _ALONE]


def _in_order(found: list[Diagnostic], expanded: Expanded) -> list[Diagnostic]:
    """Each mistake once, in the order of the files; what a `for_each` or `defaults` has multiplied is one mistake."""
    document = expanded.document
    written = {f"'{name}'": f"'{item.family}'" for (_, name), item in expanded.instances.items()}
    under = {
        at for known in (document.keys, document.places) for path, at in known.items() if path[:1] == ("defaults",)
    }
    unique: dict[object, Diagnostic] = {}
    for item in found:
        said = (
            ""
            if item.at in under
            else re.sub(r"'\w+'", lambda match: written.get(match.group(), match.group()), item.message)
        )
        words = re.sub(r" in (?:source|flow) '\w+'", " in 'defaults'", item.message)
        shown = replace(item, message=words) if item.at in under else item
        unique.setdefault((item.code, item.at, said), shown)
    return sorted(unique.values(), key=lambda item: (item.at.file, item.at.line, item.at.column, item.code))


def _overlays(place: Place, environment: str, found: list[Diagnostic]) -> list[Document]:
    documents = []
    for file in environment_files(place.project, environment):
        if file is not None:
            try:
                documents.append(read_document(file))
            except ConfigurationError as cause:
                found += [item for item in cause.diagnostics if isinstance(item, Diagnostic)]
    return documents


def check_environments(project: Path, but: str) -> list[Diagnostic]:
    """What is wrong with the files of the environments that a pipeline was not loaded in; their secrets are not asked for."""
    found: list[Diagnostic] = []
    for file in sorted((project / "conf").glob("*.yml")):
        if file.stem in ("base", but):
            continue
        try:
            document = read_document(file)
        except ConfigurationError as cause:
            found += [item for item in cause.diagnostics if isinstance(item, Diagnostic)]
            continue
        if not isinstance(document.values, dict):
            found.append(
                Diagnostic("E134", "the file is no mapping", document.place(()), "storage: …, params: {…}, run: {…}")
            )
            continue
        values = {key: _known(item) for key, item in document.values.items() if not key.startswith("x-")}
        found += [*validate(document, values, Environment, ENVIRONMENT_MODELS)[1], *_refused_conf(document, values)]
    return found


def _known(value: Any) -> Any:
    """`value` without what only a param or a secret says."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items() if not (isinstance(item, str) and "${" in item)}
    return value


def _validated_overlay(
    document: Document, params: Params, place: Place, found: list[Diagnostic]
) -> tuple[Environment, dict[Path_, str]] | None:
    """An environment's file as the grammar knows it, and where secrets stand in it."""
    if not isinstance(document.values, dict):
        found.append(
            Diagnostic("E134", "the file is no mapping", document.place(()), "storage: …, params: {…}, run: {…}")
        )
        return None
    values = {key: item for key, item in document.values.items() if not key.startswith("x-")}
    if isinstance(values.get("params"), dict):
        # An environment serves many pipelines: what it says of the params of others, and their secrets, is not asked for here.
        values["params"] = {name: item for name, item in values["params"].items() if name in params.values}
    filling = Interpolation(document, params.values, project=place.project, hidden=params.hidden)
    values = filling.fill(values)
    found += filling.found
    model, wrong = validate(document, values, Environment, ENVIRONMENT_MODELS)
    found += [*wrong, *_refused_conf(document, values)]
    return None if model is None else (model, filling.written)


def _refused_conf(document: Document, values: dict[str, Any]) -> list[Diagnostic]:
    spark = values.get("spark")
    conf = spark.get("conf") if isinstance(spark, dict) else None
    return refused(document, conf, str(values.get("storage", ""))) if isinstance(conf, dict) else []


def _with_defaults(document: Document, found: list[Diagnostic]) -> dict[str, Any]:
    """The values with `defaults` laid under each source and flow, and the short forms written out."""
    values = document.values
    if not isinstance(values, dict):
        hint = "version: 1, name: …, sources: {…}, flows: {…}"
        raise ConfigurationError([Diagnostic("E134", "a pipeline is a mapping of keys", document.place(()), hint)])
    if not values:
        hint = "a pipeline has version, name, sources and flows; etl init makes one"
        raise ConfigurationError([Diagnostic("E134", "the file is empty", document.place(()), hint)])
    values = {key: item for key, item in values.items() if not key.startswith("x-")}
    defaults = values.pop("defaults", None) or {}
    if not isinstance(defaults, dict):
        found.append(
            Diagnostic(
                "E105", "defaults is a mapping of keys", document.place(("defaults",)), "defaults: {source: …, flow: …}"
            )
        )
        defaults = {}
    for key in defaults:
        if key in UNSUPPORTED_KEYS[("defaults",)]:
            found.append(not_yet(f"'{key}'", document.place(("defaults", key), key=True)))
        elif key not in ("source", "flow"):
            hint = did_you_mean(key, ("source", "flow")) or "known here: source, flow"
            found.append(
                Diagnostic(
                    "E103", f"unknown key '{key}' in 'defaults'", document.place(("defaults", key), key=True), hint
                )
            )
    for key in ("source", "flow"):
        if not isinstance(defaults.get(key), dict | None):
            at = document.place(("defaults", key))
            found.append(Diagnostic("E105", f"defaults: '{key}' is a mapping of keys", at, f"{key}: {{key: value}}"))
    for section, under in (("sources", defaults.get("source")), ("flows", defaults.get("flow"))):
        items = values.get(section)
        if isinstance(items, dict) and isinstance(under, dict):
            values[section] = {
                # Another pipeline's target is no file, and nothing that is said of files is meant of it.
                name: item
                if section == "sources" and isinstance(item, dict) and "pipeline" in item
                else _laid_under(under, item)
                for name, item in items.items()
            }
    flows = values.get("flows")
    if isinstance(flows, dict):
        values["flows"] = {name: _long_inputs(flow) for name, flow in flows.items()}
    values["params"] = _long_params(values.get("params"))
    return {key: item for key, item in values.items() if not (key == "params" and item is None)}


def _laid_under(under: Any, own: Any) -> Any:
    if isinstance(under, dict) and isinstance(own, dict):
        return {**under, **{key: _laid_under(under[key], item) if key in under else item for key, item in own.items()}}
    return own


def _long_inputs(flow: Any) -> Any:
    if not isinstance(flow, dict):
        return flow
    inputs = flow.get("inputs")
    if isinstance(inputs, list) and all(isinstance(item, str) for item in inputs):
        inputs = dict.fromkeys(inputs, "changes")
    if isinstance(inputs, dict):
        inputs = {name: {"read": item} if isinstance(item, str) else item for name, item in inputs.items()}
    return {**flow, "inputs": inputs} if "inputs" in flow else flow


def _long_params(params: Any) -> Any:
    if not isinstance(params, dict):
        return params
    return {
        name: item if isinstance(item, dict) else {"type": kind_of(item), "default": item}
        for name, item in params.items()
    }
