"""`etl run`: the flows of one pipeline, or of several, in either mode."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from etl.cli.complete import pipelines as known_pipelines
from etl.cli.documents import run_document, runs_document
from etl.cli.layout import columns
from etl.cli.output import (
    all_pipelines,
    environment_options,
    is_coloured,
    load,
    load_together,
    print_json,
    say,
    seconds_of,
    selection_options,
    session_options,
)
from etl.cli.progress import progress
from etl.cli.signals import silence_lost
from etl.cli.summary import summary, summary_of_all
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
@session_options
@environment_options
@click.argument("names", nargs=-1, metavar="[PIPELINE]...", shell_complete=known_pipelines)
@click.option("--all", "every", is_flag=True, help="Every pipeline of the project.")
@selection_options
@click.option(
    "--trigger",
    help='available_now, an interval such as "10 seconds", or continuous: as soon as something arrives (stream).',
)
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
    names: tuple[str, ...],
    environment: str,
    params: tuple[str, ...],
    mode: Any,
    trigger: str | None,
    wait: str | None,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    *,
    every: bool,
    full_refresh: bool,
    allow_history_loss: bool,
    as_json: bool,
) -> None:
    """Run the flows of a pipeline: as a full batch, or as a stream that goes on where the last run ended.

    Several pipelines, or --all, run one after the other in one JVM: each after those whose flows it reads, and not at all where one of those
    failed. Each has a run of its own.

    SIGINT, SIGTERM and SIGHUP stop it at the end of the epoch under way (exit 130, 143, 129); a second one ends it at once. Either way
    the next run goes on from there. Where flows failed for several reasons, the exit code is the first of 4, 1, 2, 3, 5 that fits.
    """
    _check_names(names, every=every)
    together = every or len(names) > 1
    specs = (
        load_together(all_pipelines() if every else names, environment, params)
        if together
        else (load(names[0], environment, params),)
    )
    _check_trigger(trigger, [mode] if mode else [flow.mode for spec in specs for flow in spec.flows])
    request = RunRequest(
        mode=mode,
        trigger=trigger,
        select=select,
        exclude=exclude,
        full_refresh=full_refresh,
        allow_history_loss=allow_history_loss,
        wait_s=seconds_of(wait, "--wait") if wait else 0.0,
    )
    results = (_several if together else _one)(ctx.obj, specs, request, as_json=as_json)
    signals: Signals = ctx.obj
    if signals.caught:
        click.echo(signals.message(), err=True)
    stopped = signals.caught and not _failed_for_good(specs, results)
    code = signals.exit_code if stopped else exit_code(results)
    signals.settle()
    ctx.exit(code)


def _one(signals: Signals, specs: Sequence[PipelineSpec], request: RunRequest, *, as_json: bool) -> list[RunResult]:
    """Run the only pipeline, and show its result."""
    from etl.operations.run import run as carry_out  # noqa: PLC0415  # --help need not pay for it

    stop = _stop(signals)
    with progress(quiet_output=as_json, lost=signals.lost) as emit:
        result = carry_out(specs[0], request, emit=emit, stop=stop)
    if as_json:
        print_json(run_document(result))
    else:
        say(summary(result, columns(), coloured=is_coloured()))
    return [result]


def _several(signals: Signals, specs: Sequence[PipelineSpec], request: RunRequest, *, as_json: bool) -> list[RunResult]:
    """Run the pipelines, and show the result of each when it is there, and all of them at the end."""
    from etl.operations.run_pipelines import run_pipelines, runnable  # noqa: PLC0415  # --help need not pay for it

    pipelines = runnable(specs, request)
    stop = _stop(signals)
    unsaid: list[OSError] = []

    def tell(result: RunResult) -> None:
        try:
            if not as_json:
                say(summary(result, columns(), coloured=is_coloured()))
        except OSError as cause:  # the pipelines after it run all the same, unless nobody listens any more
            if silence_lost():
                signals.lost()
            else:
                unsaid.append(cause)

    watch = partial(progress, quiet_output=as_json, lost=signals.lost)
    result = run_pipelines(pipelines, request, watch=watch, tell=tell, stop=stop)
    if unsaid:
        raise unsaid[0]
    if as_json:
        print_json(runs_document(result))
    else:
        say(summary_of_all(result))
    return list(result.runs)


def _stop(signals: Signals) -> threading.Event:
    """What a first signal sets from now on."""
    stop = threading.Event()
    signals.ask(stop.set)
    signals.leaves(_LEFT)
    return stop


def _check_names(names: Sequence[str], *, every: bool) -> None:
    if every and names:
        raise click.UsageError("--all is every pipeline of the project; leave the names out, or leave it out")
    if not every and not names:
        raise click.UsageError("Missing argument 'PIPELINE...': name pipelines, or say --all.")


def _failed_for_good(specs: Sequence[PipelineSpec], results: Sequence[RunResult]) -> bool:
    """Whether a flow failed that would not have been tried again."""
    retries = {(spec.name, flow.name): flow.retry.max_retries for spec in specs for flow in spec.flows}
    return any(
        not (flow.failure.transient and flow.attempts <= retries.get((run.pipeline, flow.flow), 0))
        for run in results
        for flow in run.flows
        if flow.failure is not None
    )


def _check_trigger(trigger: str | None, modes: Sequence[str]) -> None:
    if trigger is None:
        return
    if "stream" not in modes:
        raise click.UsageError("--trigger is for --mode stream; a batch runs once")
    from etl.config.grammar.values import TRIGGERS  # noqa: PLC0415  # only where there is one to check

    if trigger not in TRIGGERS and seconds_of(trigger, "--trigger") <= 0:
        raise click.BadParameter("the interval is longer than nothing", param_hint="--trigger")


def exit_code(results: Sequence[RunResult]) -> int:
    """0, or why flows failed: the environment first, then a run's failure, configuration, an expectation, another run."""
    kinds = {flow.failure.kind for result in results for flow in result.flows if flow.failure is not None}
    return next((code for kind, code in _EXITS.items() if kind in kinds), 0)
