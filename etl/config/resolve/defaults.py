"""`defaults:` laid under each source and flow, and the short forms of inputs and params written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.resolve.draft import Draft
from etl.config.resolve.params import kind_of
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from etl.config.diagnostics import Diagnostics
    from etl.config.document.document import Document
    from etl.config.project import PipelineFiles

_SECTIONS = {"source": "sources", "flow": "flows"}
_OF_FLOWS = "maintenance"  # a key of every flow that `defaults` may say by itself


def first_draft(files: PipelineFiles, document: Document, diagnostics: Diagnostics) -> Draft:
    """The draft of a pipeline's file: without `x-…` and `defaults`, which lies under each source and flow, and in long forms.

    Raises ConfigurationError where the file is empty, or no mapping.
    """
    if not isinstance(document.values, dict):
        hint = "version: 1, name: …, sources: {…}, flows: {…}"
        raise ConfigurationError([Diagnostic("E134", "a pipeline is a mapping of keys", document.place(()), hint)])
    if not document.values:
        hint = "a pipeline has version, name, sources and flows; etl init makes one"
        raise ConfigurationError([Diagnostic("E134", "the file is empty", document.place(()), hint)])
    values = {key: value for key, value in document.values.items() if not key.startswith("x-")}
    defaults = values.pop("defaults", None) or {}
    draft = Draft(files, document, values, diagnostics)
    for kind, under in _with_own(_checked(draft, defaults), defaults).items():
        section = _SECTIONS[kind]
        if isinstance(values.get(section), dict):
            values[section] = {name: _over(under, entry, section) for name, entry in values[section].items()}
    if isinstance(values.get("flows"), dict):
        values["flows"] = {name: _long_inputs(flow) for name, flow in values["flows"].items()}
    if values.get("params") is None:
        values.pop("params", None)
    else:
        values["params"] = _long_params(values["params"])
    return draft


def _checked(draft: Draft, defaults: Any) -> dict[str, dict[str, Any]]:
    """What `defaults` says of each source and of each flow, as far as it is a mapping, with what is wrong reported."""
    if not isinstance(defaults, dict):
        draft.report("E105", "defaults is a mapping of keys", ("defaults",), "defaults: {source: …, flow: …}")
        return {}
    for key in defaults:
        path = ("defaults", key)
        if key not in (*_SECTIONS, _OF_FLOWS):
            hint = did_you_mean(key, (*_SECTIONS, _OF_FLOWS)) or "known here: source, flow, maintenance"
            draft.report("E103", f"unknown key '{key}' in 'defaults'", path, hint, key=True)
    for key in (*_SECTIONS, _OF_FLOWS):
        if not isinstance(defaults.get(key), dict | None):
            message, hint = f"defaults: '{key}' is a mapping of keys", f"{key}: {{key: value}}"
            draft.report("E105", message, ("defaults", key), hint)
    return {key: defaults[key] for key in _SECTIONS if isinstance(defaults.get(key), dict)}


def _with_own(checked: dict[str, dict[str, Any]], defaults: Any) -> dict[str, dict[str, Any]]:
    """The same, with what `defaults` says of every flow's maintenance under what it says of flows."""
    own = defaults.get(_OF_FLOWS) if isinstance(defaults, dict) else None
    if not isinstance(own, dict):
        return checked
    return {**checked, "flow": _laid_under({_OF_FLOWS: own}, checked.get("flow", {}))}


def _over(under: dict[str, Any], entry: Any, section: str) -> Any:
    """A source or flow with the defaults of its section under it."""
    if section == "sources" and isinstance(entry, dict) and "pipeline" in entry:
        return entry  # another pipeline's target is no file, and nothing that is said of files is meant of it
    return _laid_under(under, entry)


def _laid_under(under: Any, own: Any) -> Any:
    if isinstance(under, dict) and isinstance(own, dict):
        laid = {key: _laid_under(under[key], value) if key in under else value for key, value in own.items()}
        return {**under, **laid}
    return own


def _long_inputs(flow: Any) -> Any:
    """A flow whose inputs are written `[a]`, or `{a: changes}`, with `{a: {read: changes}}` in their stead."""
    if not isinstance(flow, dict) or "inputs" not in flow:
        return flow
    inputs = flow["inputs"]
    if isinstance(inputs, list) and all(isinstance(name, str) for name in inputs):
        inputs = dict.fromkeys(inputs, "changes")
    if isinstance(inputs, dict):
        inputs = {name: {"read": value} if isinstance(value, str) else value for name, value in inputs.items()}
    return {**flow, "inputs": inputs}


def _long_params(params: Any) -> Any:
    """Params that are written as their values alone, with their types."""
    if not isinstance(params, dict):
        return params
    return {
        name: value if isinstance(value, dict) else {"type": kind_of(value), "default": value}
        for name, value in params.items()
    }
