"""What is said of a plug-in's strategy, held against what it declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.grammar.formats import option_names, wrong_options
from etl.config.grammar.plugins import PluginProblem, find_strategy
from etl.config.grammar.strategies import STRATEGIES

if TYPE_CHECKING:
    from etl.config.build.given import Given
    from etl.config.grammar import models

Takes = Literal["rows", "full"]


def plugin_strategy(
    parts: Given, name: str, model: models.Sink, found: list[Diagnostic]
) -> tuple[Takes | None, tuple[tuple[str, str], ...]]:
    """What a plug-in's strategy takes, and its options; nothing for a built-in one."""
    document, path = parts.document, ("flows", name, "sink")
    if model.strategy is None or model.strategy in STRATEGIES:
        if model.options:
            message = f"flow '{name}': strategy {model.strategy or 'append or overwrite'} has no options"
            at = document.place((*path, "options"), key=True)
            found.append(Diagnostic("E204", message, at, "leave options out; they are for a plug-in's strategy"))
        return None, ()
    try:
        wanted = find_strategy(model.strategy)
    except PluginProblem as cause:
        at = document.place((*path, "strategy"))
        found.append(Diagnostic("E208", f"flow '{name}': {cause}", at, cause.hint))
        return None, ()
    names = option_names(wanted.options)
    for key, wrong in wrong_options(wanted.options, model.options):
        at = document.place((*path, "options", key), key=wrong == "unknown")
        if wrong in ("unknown", "missing"):
            hint = did_you_mean(key, names) or f"known here: {', '.join(names) or 'none'}"
            code = "E103" if wrong == "unknown" else "E104"
            found.append(Diagnostic(code, f"flow '{name}': {wrong} option '{key}'", at, hint))
        else:
            found.append(Diagnostic("E105", f"flow '{name}': option '{key}': {wrong}", at))
    return wanted.takes, tuple(sorted(model.options.items()))
