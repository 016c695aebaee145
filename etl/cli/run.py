"""`etl run`: a pipeline's flows, in either mode."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import click

from etl.cli.documents import run_document
from etl.cli.later import not_yet
from etl.cli.layout import columns
from etl.cli.output import is_coloured, load, pipeline_options, print_json, say, selection_options
from etl.cli.progress import progress
from etl.cli.summary import summary
from etl.planning.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.cli.signals import Signals
    from etl.config.spec import PipelineSpec
    from etl.planning.results import RunResult

_LEFT = "what is committed stays, and the next run goes on from there"
_EXITS = {"environment": 4, "run": 1, "configuration": 2, "expectation": 3, "held": 5}
"""The exit code of each kind of failure; of several the first."""


@click.command()
@pipeline_options
@selection_options
@click.option("--trigger", help='available_now, or an interval such as "10 seconds" (stream).')
@click.option(
    "--allow-history-loss", is_flag=True, help="Rebuild even where rows written before can no longer be read."
)
@click.option(
    "--wait",
    "wait",
    metavar="D",
    help='How long to wait for another run of a flow: "10 minutes". [default: not at all]',
)
@click.pass_context
def run(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    mode: Any,
    trigger: str | None,
    wait: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    *,
    full_refresh: bool,
    allow_history_loss: bool,
    as_json: bool,
) -> None:
    """Run a pipeline's flows: as a full batch, or as a stream that goes on where the last run ended.

    SIGINT, SIGTERM and SIGHUP stop it at the end of the epoch under way (exit 130, 143, 129); a second one ends it at once. Either way
    the next run goes on from there. Where flows failed for several reasons, the exit code is the first of 4, 1, 2, 3, 5 that fits.
    """
    from etl.operations.run import run as carry_out  # noqa: PLC0415  # --help need not pay for it

    spec = load(pipeline, environment, params)
    _check_trigger(trigger, [mode] if mode else [flow.mode for flow in spec.flows])
    request = RunRequest(
        mode=mode,
        trigger=trigger,
        select=select,
        exclude=exclude,
        full_refresh=full_refresh,
        allow_history_loss=allow_history_loss,
        wait_s=_seconds(wait, "--wait") if wait else 0.0,
    )
    stop = threading.Event()
    signals: Signals = ctx.obj
    signals.ask(stop.set)
    signals.leaves(_LEFT)
    with progress(quiet_output=as_json, lost=signals.lost) as emit:
        result = carry_out(spec, request, emit=emit, stop=stop)
    if as_json:
        print_json(run_document(result))
    else:
        say(summary(result, columns(), coloured=is_coloured()))
    if signals.caught:
        click.echo(signals.message(), err=True)
    code = signals.exit_code if signals.caught and not _failed_for_good(spec, result) else exit_code(result)
    signals.settle()
    ctx.exit(code)


def _failed_for_good(spec: PipelineSpec, result: RunResult) -> bool:
    """Whether a flow failed that would not have been tried again."""
    retries = {flow.name: flow.retry.max_retries for flow in spec.flows}
    failed = [flow for flow in result.flows if flow.failure is not None]
    return not all(flow.failure and flow.failure.transient and flow.attempts <= retries[flow.flow] for flow in failed)


def _check_trigger(trigger: str | None, modes: Sequence[str]) -> None:
    if trigger is None:
        return
    if "stream" not in modes:
        raise click.UsageError("--trigger is for --mode stream; a batch runs once")
    if trigger == "continuous":
        not_yet("etl run --trigger continuous")
    if trigger != "available_now" and _seconds(trigger, "--trigger") <= 0:
        raise click.BadParameter("the interval is longer than nothing", param_hint="--trigger")


def _seconds(text: str, option: str) -> float:
    """The seconds of a duration. Raises BadParameter of `option` where the text is none."""
    from etl.config.grammar.values import seconds  # noqa: PLC0415  # only where there is one to check

    try:
        return seconds(text)
    except ValueError as cause:
        raise click.BadParameter(str(cause), param_hint=option) from None


def exit_code(result: RunResult) -> int:
    """0, or why flows failed: the environment first, then a run's failure, configuration, an expectation, another run."""
    kinds = {flow.failure.kind for flow in result.flows if flow.failure is not None}
    return next((code for kind, code in _EXITS.items() if kind in kinds), 0)
