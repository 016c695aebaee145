"""The sinks: how an epoch's good rows reach the target. Only `run_epoch` calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from etl.config.diagnostics import Diagnostic
from etl.config.plugins import PluginProblem, find_strategy, opened
from etl.engine.sinks import append, merge, overwrite, replace, scd2
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pyspark.sql import DataFrame, SparkSession

    from etl.engine.job import Job
    from etl.engine.output import Replaces
    from etl.engine.provenance import Provenance

    Write = Callable[[], int | None]

    Sink = Callable[[Job, SparkSession, DataFrame, Replaces, Provenance], AbstractContextManager[Write]]


class _Sinks(dict[str, "Sink"]):
    """The built-in sinks; any other name is a plug-in's, imported when it is first asked for."""

    def __missing__(self, strategy: str) -> Sink:
        try:
            return cast("Sink", opened(find_strategy(strategy).opens, f"strategy '{strategy}'"))
        except PluginProblem as cause:
            raise ConfigurationError([Diagnostic("E208", str(cause), hint=cause.hint)]) from cause


# A sink commits its state when it is entered, and the target when what it gave is called: quarantine comes between. The call
# returns how many rows it wrote, or None where that is every row that the sink was given. By then no SQL of the user's may be left to
# analyse: the session's clock may be UTC while the target is written.
SINKS = _Sinks(
    {
        "append": append.sink,
        "merge": merge.sink,
        "scd2": scd2.sink,
        "replace": replace.sink,
        "overwrite": overwrite.sink,
    }
)
