"""The sink of a flow: its settings checked one by one, and what a plug-in's strategy declares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar import delta_properties
from etl.config.grammar.formats import option_names, wrong_options
from etl.config.grammar.plugins import PluginProblem, find_strategy
from etl.config.grammar.strategies import STRATEGIES
from etl.config.spec import SinkSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.config.build.given import Given
    from etl.config.document.document import Path_
    from etl.config.grammar import models

Takes = Literal["rows", "full"]

_AS_WRITTEN = {
    "strategy",
    "keys",
    "sequence_by",
    "insert_only",
    "delete_when",
    "except_columns",
    "track",
    "schema_evolution",
    "partition_by",
    "cluster_by",
    "path",
}
"""The settings that the spec has as the grammar has them."""


def build_sink(given: Given, flow: str, model: models.Sink) -> SinkSpec:
    """The sink of the flow of that name; `with_tables` adds the name of its table."""
    path = ("flows", flow, "sink")
    given.diagnostics.extend(_path(given, flow, model, path))
    given.diagnostics.extend(_columns_twice(given, flow, model, path))
    given.diagnostics.extend(_layout(given, flow, model, path))
    given.diagnostics.extend(_properties(given, flow, model, path))
    takes, options = _plugin_strategy(given, flow, model, path)
    return SinkSpec(
        **model.model_dump(include=_AS_WRITTEN),
        properties=tuple(sorted((delta_properties.canonical(name), value) for name, value in model.properties.items())),
        options=options,
        takes=takes,
        at=given.document.place(path, key=True),
    )


def _path(given: Given, flow: str, model: models.Sink, path: Path_) -> Iterator[Diagnostic]:
    """A path that leaves storage."""
    if model.path is None:
        return
    inside = Path(model.path)
    if inside.is_absolute() or ".." in inside.parts or urlsplit(model.path).scheme or not inside.parts:
        message = f"flow '{flow}': sink.path stays inside storage"
        yield Diagnostic("E206", message, given.document.place((*path, "path")), "a relative path without '..'")


def _columns_twice(given: Given, flow: str, model: models.Sink, path: Path_) -> Iterator[Diagnostic]:
    """Columns that stand twice in one setting."""
    for key in ("keys", "sequence_by", "except_columns", "partition_by", "cluster_by"):
        columns: tuple[str, ...] = getattr(model, key)
        for index, column in enumerate(columns):
            if column.lower() in {other.lower() for other in columns[:index]}:
                message = f"flow '{flow}': '{column}' stands twice in {key}"
                at = given.document.place((*path, key, index))
                yield Diagnostic("E237", message, at, "keep one of them; capitals make no difference")


def _layout(given: Given, flow: str, model: models.Sink, path: Path_) -> Iterator[Diagnostic]:
    """A table of two layouts."""
    if model.partition_by and model.cluster_by:
        message = f"flow '{flow}': a table is partitioned or clustered, not both"
        at = given.document.place((*path, "cluster_by"), key=True)
        yield Diagnostic("E235", message, at, "leave one of them out")


def _properties(given: Given, flow: str, model: models.Sink, path: Path_) -> Iterator[Diagnostic]:
    """Table properties that Delta or the target's readers do not take, and warnings of those that keep some readers out."""
    for name, value in model.properties.items():
        within = (*path, "properties", name)
        key = given.document.place(within, key=True)
        fault = delta_properties.wrong(name, value)
        if within in given.written and (fault is None or name.lower().startswith("delta.")):
            message = f"flow '{flow}': '{name}' would write a secret into the table's log, which every reader sees"
            yield Diagnostic("E236", message, key, "write the value out, or use a param")
        elif fault is not None:
            at = given.document.place(within) if fault.value else key
            yield Diagnostic(fault.code, f"flow '{flow}': {fault.message}", at, fault.hint)
        elif warning := delta_properties.warning(name, value):
            yield Diagnostic("W175", f"flow '{flow}': {warning}", key, "leave it out, or tell who reads the table")
    fault = delta_properties.wrong_together(model.properties)
    if fault is not None:
        at = given.document.place((*path, "properties"), key=True)
        yield Diagnostic(fault.code, f"flow '{flow}': {fault.message}", at, fault.hint)


def _plugin_strategy(
    given: Given, flow: str, model: models.Sink, path: Path_
) -> tuple[Takes | None, tuple[tuple[str, str], ...]]:
    """What a plug-in's strategy takes, and its options; nothing for a built-in one, or a plug-in that cannot be used."""
    if model.strategy is None or model.strategy in STRATEGIES:
        if model.options:
            message = f"flow '{flow}': strategy {model.strategy or 'append or overwrite'} has no options"
            hint = "leave options out; they are for a plug-in's strategy"
            given.report("E204", message, (*path, "options"), hint, key=True)
        return None, ()
    try:
        strategy = find_strategy(model.strategy)
    except PluginProblem as cause:
        given.report("E208", f"flow '{flow}': {cause}", (*path, "strategy"), cause.hint)
        return None, ()
    names = option_names(strategy.options)
    for key, fault in wrong_options(strategy.options, model.options):
        place = (*path, "options", key)
        if fault in ("unknown", "missing"):
            hint = did_you_mean(key, names) or f"known here: {', '.join(names) or 'none'}"
            code = "E103" if fault == "unknown" else "E104"
            given.report(code, f"flow '{flow}': {fault} option '{key}'", place, hint, key=fault == "unknown")
        else:
            given.report("E105", f"flow '{flow}': option '{key}': {fault}", place)
    return strategy.takes, tuple(sorted(model.options.items()))
