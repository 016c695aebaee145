"""Checks of the arguments that Python passes to the public functions; each raises ConfigurationError E150 for a value without a meaning.

The command line has click for it; here a wrong word would pass for another one, or end in a traceback of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from os import PathLike
from typing import Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar.values import TRIGGERS, seconds
from etl.config.spec import PipelineSpec
from etl.errors import ConfigurationError

MODES = ("batch", "stream")
_LATER = {"mode": ("auto",)}


def mode(value: Any) -> None:
    """batch, stream, or None: the pipeline's own."""
    if value is not None and (not isinstance(value, str) or value not in MODES):
        _refuse_later("mode", value)
        hint = did_you_mean(value, MODES) if isinstance(value, str) else ""
        _refuse(f"mode={value!r} is none of 'batch', 'stream'", hint or "leave it out for the pipeline's own run.mode")


def trigger(spec: PipelineSpec, value: Any, chosen: Any) -> None:
    """available_now, continuous, an interval, or None: the pipeline's own; for a run of which some part is a stream."""
    if value is None:
        return
    if "stream" not in ([chosen] if chosen else [flow.mode for flow in spec.flows]):
        _refuse(f"trigger={value!r} is for a stream, and a batch runs once", "say mode='stream', or leave it out")
    if value in TRIGGERS:
        return
    hint = "'available_now', 'continuous', or an interval such as '10 seconds'"
    if not isinstance(value, str):
        _refuse(f"trigger={value!r} is no trigger", hint)
    try:
        length = seconds(value)
    except ValueError as cause:
        _refuse(f"trigger: {cause}", did_you_mean(value, TRIGGERS) or hint)
    if length <= 0:
        _refuse(f"trigger={value!r}: the interval is longer than nothing", hint)


def duration(name: str, value: Any) -> float:
    """The seconds of a duration as a text; 0 of None."""
    if value is None:
        return 0.0
    hint = f"{name}='10 minutes'"
    if not isinstance(value, str):
        _refuse(f"{name}={value!r} is no duration", hint)
    try:
        return seconds(value)
    except ValueError as cause:
        return float(_refuse(f"{name}: {cause}", hint))


def flags(**given: Any) -> None:
    """True or False."""
    for name, value in given.items():
        if not isinstance(value, bool):
            _refuse(f"{name}={value!r} is neither True nor False", f"{name}=True, or leave it out")


def texts(name: str, value: Any) -> tuple[str, ...]:
    """A list of texts; one text counts as a list of one."""
    if isinstance(value, str):
        return (value,)
    listed = isinstance(value, Sequence | set | frozenset)
    if not listed or not all(isinstance(item, str) for item in value):
        _refuse(f"{name}={value!r} is no list of names", f"{name}=['one', 'another']")
    return tuple(value)


def text(name: str, value: Any, *, optional: bool = False) -> Any:
    """One text."""
    if not isinstance(value, str) and not (optional and value is None):
        _refuse(f"{name}={value!r} is no text", f"{name}='…'")
    return value


def bound(name: str, value: Any, *, optional: bool = False) -> Any:
    """An end of a range as the command line writes it; a number or a date is written so."""
    if isinstance(value, date | int | float) and not isinstance(value, bool):
        return str(value)
    return text(name, value, optional=optional)


def whole(name: str, value: Any, *, least: int | None = None, optional: bool = False) -> None:
    """A whole number, not below `least`."""
    if optional and value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(f"{name}={value!r} is no whole number", f"{name}={max(1, least or 1)}")
    if least is not None and value < least:
        _refuse(f"{name}={value!r} is too small", f"{least} or more")


def flow(spec: PipelineSpec, name: str, value: Any) -> str:
    """The name of a flow."""
    names = [flow.name for flow in spec.flows]
    if not isinstance(value, str) or value not in names:
        hint = did_you_mean(value, names) if isinstance(value, str) else ""
        _refuse(f"{name}={value!r}: there is no such flow", hint or f"the flows are: {', '.join(names)}")
    return str(value)


def words(name: str, values: Any, choices: Sequence[str]) -> None:
    """Some of the words that may be chosen."""
    for value in texts(name, values):
        if value not in choices:
            hint = did_you_mean(value, choices) or f"the known ones are: {', '.join(choices)}"
            _refuse(f"{name}: {value!r} is none of them", hint)


def reference(value: Any) -> None:
    """A pipeline's name or path."""
    if not isinstance(value, str | PathLike) or not str(value):
        _refuse(f"{value!r} is neither a pipeline's name nor a path", "etl.load('orders')")


def environment(value: Any) -> None:
    """An environment's name."""
    if not isinstance(value, str):
        _refuse(f"env={value!r} is no name of an environment", "env='local', or another one that conf/ has a file for")


def params(value: Any) -> None:
    """Names and values of params."""
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        _refuse(f"params={value!r} is no mapping of names", "params={'name': 'value'}")
    for name, single in value.items():
        if single is not None and not isinstance(single, str | int | float | date):
            _refuse(f"params: {name}={single!r} is no single value", "a text, a number, True, False or a date")


def _refuse_later(name: str, value: Any) -> None:
    if isinstance(value, str) and value in _LATER[name]:
        hint = "a later version brings it; leave it out for now"
        raise ConfigurationError([Diagnostic("E900", f"{name}={value!r} is not supported yet", hint=hint)])


def _refuse(message: str, hint: str) -> Any:
    raise ConfigurationError([Diagnostic("E150", message, hint=hint)])
