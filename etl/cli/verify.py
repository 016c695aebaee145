"""`etl verify`: whether a pipeline's flows come out the same however their rows arrive."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from etl.cli.complete import selectors
from etl.cli.documents import verify_document
from etl.cli.output import is_coloured, load, pipeline_options, print_json, say, session_options

if TYPE_CHECKING:
    from etl.operations.verification.verdicts import FlowVerdict, VerifyResult

_EXITS = {"environment": 4, "configuration": 2}
_MARKS = {
    "equal": ("ok    ", "green"),
    "differs": ("DIFFERS", "red"),
    "differs from itself": ("DIFFERS", "red"),
    "failed": ("FAILED", "red"),
    "not judged": ("-     ", "yellow"),
}


@click.command()
@session_options
@pipeline_options
@click.option(
    "--select", multiple=True, metavar="SELECTOR", help="flow, +flow, flow+ or tag:nightly.", shell_complete=selectors
)
@click.option("--exclude", multiple=True, metavar="SELECTOR", help="Leave flows out.", shell_complete=selectors)
@click.option("--splits", type=click.IntRange(0, 1000), default=3, show_default=True, help="Random trials.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The first trial's; the next ones count on from it."
)
@click.option(
    "--rows",
    "--sample",
    "rows",
    type=click.IntRange(1),
    help="Of each input whose rows arrive, the first so many; with --generated, how many.",
)
@click.option("--generated", is_flag=True, help="Rows made up from the sources' schemas instead of their own.")
@click.pass_context
def verify(
    ctx: click.Context,
    pipeline: str,
    environment: str,
    params: tuple[str, ...],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    splits: int,
    seed: int,
    rows: int | None,
    *,
    generated: bool,
    as_json: bool,
) -> None:
    """Compare one batch with random splits, orders and switches of mode, in storage that is thrown away.

    A second batch, over the same rows in another order and other partitions, tells a transform that differs from itself. Flows
    above the selected ones are verified, too. Snapshots are held fixed. The same seed brings the same trials. Exit codes: 0 equal, 1
    a flow differs or fails, 2 wrong usage or configuration, 4 the environment lacks something.
    """
    from etl.operations.verification.verify import VerifyRequest  # noqa: PLC0415  # --help need not pay for it
    from etl.operations.verification.verify import verify as carry_out  # noqa: PLC0415

    spec = load(pipeline, environment, params)
    request = VerifyRequest(select=select, exclude=exclude, splits=splits, seed=seed, rows=rows, generated=generated)
    result = carry_out(spec, request, tell=lambda text: click.echo(f"... {text}", err=True))
    again = command_of(pipeline, environment=environment, params=params, rows=rows, generated=generated)
    if as_json:
        print_json(verify_document(result, lambda flow: again.replay(flow, result.seed)))
    else:
        say(text(result, again, coloured=is_coloured()))
    ctx.exit(_exit(result))


def command_of(
    pipeline: str,
    *,
    environment: str = "local",
    params: tuple[str, ...] = (),
    rows: int | None = None,
    generated: bool = False,
) -> Command:
    """The command with the options that every replay repeats."""
    options = ["--env", environment] if environment != "local" else []
    options += [part for param in params for part in ("--param", param)]
    options += ["--rows", str(rows)] if rows is not None else []
    options += ["--generated"] if generated else []
    return Command(pipeline, tuple(options))


@dataclass(frozen=True, slots=True)
class Command:
    """`etl verify` of a pipeline, to be typed again for one flow and one trial."""

    pipeline: str
    options: tuple[str, ...]

    def replay(self, flow: FlowVerdict, first: int) -> str:
        """The command that shows a flow's difference again, and nothing else; `first`: the seed of the first trial."""
        at = ("0", "--seed", str(first)) if flow.seed is None else ("1", "--seed", str(flow.seed))
        return shlex.join(["etl", "verify", self.pipeline, "--select", flow.flow, "--splits", *at, *self.options])


def _exit(result: VerifyResult) -> int:
    kinds = {flow.error_kind for flow in result.flows}
    for kind in ("environment", "configuration"):
        if kind in kinds:
            return _EXITS[kind]
    return 0 if result.status == "equal" else 1


def text(result: VerifyResult, again: Command, *, coloured: bool = False) -> str:
    """The result for a person."""
    from etl.operations.harness.difference_table import difference_text  # noqa: PLC0415  # see verify

    paragraphs = [f"input {note}" for note in result.notes]
    for flow in result.flows:
        mark, colour = _MARKS[flow.verdict]
        paragraphs.append(
            f"{click.style(mark, fg=colour) if coloured else mark} {flow.flow}{_about(flow)}: {_words(flow)}"
        )
        if flow.verdict in ("equal", "not judged"):
            continue
        lines = [flow.message] if flow.message else []
        if flow.differences:
            lines.append("expected is one batch over all of the input, actual is what this made of the same rows")
        lines += [difference_text(difference, colour=coloured) for difference in flow.differences]
        lines += [flow.hint] if flow.hint else []
        lines.append(f"again: {again.replay(flow, result.seed)}")
        paragraphs += [f"       {line}" for part in lines for line in part.splitlines()]
    return "\n".join([*paragraphs, _summary(result)])


def _about(flow: FlowVerdict) -> str:
    words = ", ".join(filter(None, (flow.kind, flow.strategy)))
    return f" ({words})" if words else ""


def _words(flow: FlowVerdict) -> str:
    trials = f"{flow.trials} {'trial' if flow.trials == 1 else 'trials'}"
    if flow.verdict == "equal":
        return f"equal in {trials}, {flow.rows} rows" + ("" if flow.rows else ", which proves little")
    if flow.verdict == "not judged":
        return flow.message
    if flow.verdict == "differs from itself":
        return f"differs from itself, whatever the mode: its transform does not give the same rows for the same input ({flow.description})"
    at = f"seed {flow.seed}: " if flow.seed is not None else ""
    return f"{'fails' if flow.verdict == 'failed' else 'differs'} ({at}{flow.description})"


def _summary(result: VerifyResult) -> str:
    counts: dict[str, int] = {}
    for flow in result.flows:
        counts[flow.verdict] = counts.get(flow.verdict, 0) + 1
    verdicts = ", ".join(f"{count} {word}" for word, count in counts.items())
    seeds = f"seeds {result.seed} to {result.seed + result.splits - 1}" if result.splits > 1 else f"seed {result.seed}"
    flows = f"{len(result.flows)} {'flow' if len(result.flows) == 1 else 'flows'}"
    return f"{flows}, {result.splits} random {'trial' if result.splits == 1 else 'trials'} ({seeds}): {verdicts}; {result.duration_s:.1f} s"
