"""The sinks: how an epoch's good rows reach the target. Only `run/epoch_commit` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from etl.config.diagnostics import Diagnostic
from etl.config.grammar.plugins import PluginProblem, find_strategy, opened
from etl.engine.sinks import append, merge, overwrite, replace, scd2
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from etl.engine.commits.epoch_commits import Sink


class _Sinks(dict[str, "Sink"]):
    """The built-in sinks; any other name is a plug-in's, imported when it is first asked for."""

    def __missing__(self, strategy: str) -> Sink:
        try:
            return cast("Sink", opened(find_strategy(strategy).opens, f"strategy '{strategy}'"))
        except PluginProblem as cause:
            raise ConfigurationError([Diagnostic("E208", str(cause), hint=cause.hint)]) from cause


SINKS = _Sinks(
    {
        "append": append.prepare,
        "merge": merge.prepare,
        "scd2": scd2.prepare,
        "replace": replace.prepare,
        "overwrite": overwrite.prepare,
    }
)
"""The function of each strategy that prepares an epoch's commits."""
