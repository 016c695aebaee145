"""`etl test`: the tests that stand in pipeline files, in both modes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.cli.complete import environments, pipelines
from etl.cli.documents import tests_document
from etl.cli.output import all_pipelines, is_coloured, load, print_json, say, session_options
from etl.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.errors import Mistake
    from etl.operations.harness.pipeline_tests import TestResult


@click.command()
@session_options
@click.argument("names", nargs=-1, metavar="[PIPELINE]...", shell_complete=pipelines)
@click.option(
    "--select", "words", multiple=True, metavar="FLOW|NAME", help="Only the tests of a flow, or of that name."
)
@click.option(
    "--env", "environment", default="local", show_default=True, help="conf/<env>.yml.", shell_complete=environments
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_context
def test(
    ctx: click.Context, names: tuple[str, ...], words: tuple[str, ...], environment: str, *, as_json: bool
) -> None:
    """Run the `tests:` of pipelines, each as a batch and as a stream: of the named ones, or of all in the project.

    Nothing of the project's is written: rows and tables live in a temporary folder. Exit codes: 0 all passed, or there are no
    tests; 1 a test failed; 2 a pipeline or a test is wrong; 4 the environment lacks something.
    """
    specs = _loaded(names or all_pipelines(), environment)
    from etl.operations.harness.pipeline_tests import run_tests, selected  # noqa: PLC0415  # --help need not pay for it

    tests = selected(specs, words)
    results = run_tests(tests, tell=(lambda _: None) if as_json else _tell)
    statuses = {result.status for result in results}
    if as_json:
        print_json(tests_document(results))
    else:
        say(_summary(results))
    ctx.exit(ConfigurationError.exit_code if "error" in statuses else 1 if "failed" in statuses else 0)


def _loaded(names: Sequence[str], environment: str) -> list[Any]:
    """The pipelines; ConfigurationError with the mistakes of all of them."""
    specs: list[Any] = []
    wrong: list[Mistake] = []
    for name in names:
        try:
            specs.append(load(name, environment, ()))
        except ConfigurationError as cause:
            wrong += cause.diagnostics
    if wrong:
        raise ConfigurationError(wrong)
    return specs


def _tell(result: TestResult) -> None:
    from etl.operations.harness.difference_table import difference_text  # noqa: PLC0415  # see test

    mark, colour = {"passed": ("ok    ", "green"), "failed": ("FAILED", "red"), "error": ("ERROR ", "red")}[
        result.status
    ]
    head = click.style(mark, fg=colour)
    say(f"{head} {result.pipeline}.{result.flow}: {result.name} [{result.mode}] {result.duration_s:.1f} s")
    coloured = is_coloured()
    if result.status != "passed":
        say(f"       {result.at}")
    texts = [difference_text(difference, colour=coloured) for difference in result.differences]
    for text in filter(None, (result.message, *texts)):
        say("".join(f"       {line}\n" for line in text.splitlines()))


def _summary(results: Sequence[TestResult]) -> str:
    if not results:
        return "there are no tests: write some under `tests:` in pipeline.yml"
    counts = {word: sum(result.status == word for result in results) for word in ("passed", "failed", "error")}
    outcomes = [f"{count} {'in error' if word == 'error' else word}" for word, count in counts.items() if count]
    tests = len({(result.pipeline, result.name) for result in results})
    return f"{tests} {'test' if tests == 1 else 'tests'} in both modes: {', '.join(outcomes)}"
