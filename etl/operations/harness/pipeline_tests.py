"""`etl test`: what a pipeline's `tests:` expect, held against what its flows make of the given rows, in both modes."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from etl.config.build.tests import checked, reading
from etl.config.diagnostics import NOWHERE, Diagnostic, Location, did_you_mean
from etl.config.load import load
from etl.errors import ConfigurationError, EnvironmentProblem
from etl.operations.harness.difference import ComparedTable, Difference, compare
from etl.operations.harness.sandbox import Sandbox, by_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from etl.config.schema.rows import Written
    from etl.config.spec import FlowSpec, Mode, PipelineSpec, TestSpec
    from etl.engine.tables.rows import TableRows
    from etl.planning.results import Failure

TestStatus: TypeAlias = Literal["passed", "failed", "error"]

OURS = ("_etl_generation", "_etl_epoch", "_etl_file", "_etl_file_time")
"""The columns of a quarantine that are not compared: when a row was quarantined differs between the modes, the file it lay in between trials."""


@dataclass(frozen=True, slots=True)
class TestResult:
    """What came of one test in one mode. Status `error`: it could not be carried out, since the pipeline or the test is wrong."""

    __test__ = False  # pytest takes every Test… for a class of tests

    pipeline: str
    name: str
    flow: str
    mode: Mode
    status: TestStatus
    duration_s: float
    differences: tuple[Difference, ...] = ()
    message: str = ""
    at: Location = field(default=NOWHERE, compare=False)


def selected(specs: Iterable[PipelineSpec], words: Sequence[str]) -> list[tuple[PipelineSpec, TestSpec]]:
    """The tests of these pipelines whose flow or name is among `words`, or all; ConfigurationError for a word that is neither."""
    every = [(spec, test) for spec in specs for test in spec.tests]
    names = list(dict.fromkeys(name for _, test in every for name in (test.flow, test.name)))
    mistakes = [
        Diagnostic(
            "E250",
            f"--select {word}: there is no test of that name, nor of a flow of that name",
            hint=did_you_mean(word, names) or f"there are: {', '.join(test.name for _, test in every) or 'none'}",
        )
        for word in words
        if word not in names
    ]
    if mistakes:
        raise ConfigurationError(mistakes)
    return [(spec, test) for spec, test in every if not words or {test.flow, test.name} & set(words)]


def run_tests(
    tests: Sequence[tuple[PipelineSpec, TestSpec]], *, tell: Callable[[TestResult], None] = lambda _: None
) -> tuple[TestResult, ...]:
    """The results of every test in both modes, in the order given; `tell` is given each as soon as those before it are done.

    Raises EnvironmentProblem where no session can be had.
    """
    if not tests:
        return ()
    sandbox = Sandbox(tests[0][0].spark)
    trials = [(spec, test, mode) for spec, test in tests for mode in _MODES]
    try:
        sandbox.session()
        with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="test") as pool:
            waiting = [pool.submit(run_test, sandbox, *trial) for trial in trials]
            results = []
            try:
                for future in waiting:
                    results.append(future.result())
                    tell(results[-1])
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return tuple(results)
    finally:
        sandbox.close()


_MODES: tuple[Mode, Mode] = ("batch", "stream")


def run_test(sandbox: Sandbox, spec: PipelineSpec, test: TestSpec, mode: Mode) -> TestResult:
    """One test in one mode; what is wrong with it is in the result. Raises EnvironmentProblem."""
    began = time.monotonic()

    def result(status: TestStatus, differences: Sequence[Difference] = (), message: str = "") -> TestResult:
        spent = round(time.monotonic() - began, 3)
        return TestResult(spec.name, test.name, test.flow, mode, status, spent, tuple(differences), message, test.at)

    try:
        spec, test = with_params(spec, test)
        spec = by_itself(spec)
        flow = spec.flow(test.flow)
        if flow is None:  # a checked spec has none such
            raise KeyError(test.flow)
        tried = sandbox.tried(spec, flow, test.given, mode, quarantine=test.quarantine is not None)
        if tried.failure is not None:
            return result(_status(tried.failure), message=_text(tried.failure))
        differences = [
            difference
            for rows, table, of in (
                (test.expect, tried.target, "target"),
                (test.quarantine, tried.quarantine, "quarantine"),
            )
            if rows is not None and (difference := _difference(flow, rows, table, of)) is not None
        ]
        return result("failed" if differences else "passed", differences)
    except ConfigurationError as cause:
        return result("error", message=str(cause))


def with_params(spec: PipelineSpec, test: TestSpec) -> tuple[PipelineSpec, TestSpec]:
    """The pipeline as the test's own params make it."""
    if not test.params:
        return spec, test
    params: dict[str, Any] = dict(test.params)
    changed = load(spec.file, environment=spec.environment, params=params, project=spec.project)
    return changed, next(item for item in changed.tests if item.name == test.name)


def _status(failure: Failure) -> TestStatus:
    if failure.kind == "environment":
        raise EnvironmentProblem(failure.message, where=failure.where, hint=failure.hint)
    return "error" if failure.kind == "configuration" else "failed"


def _text(failure: Failure) -> str:
    head = f"{failure.where} {failure.message}" if failure.where else failure.message
    return f"{head}\n  {failure.hint}" if failure.hint else head


def _difference(flow: FlowSpec, rows: Sequence[Written], table: TableRows | None, of: str) -> Difference | None:
    columns = [column for column in table.columns if column.name not in OURS] if table is not None else []
    actual = table.rows if table is not None else ()
    if table is None and not rows:
        return None
    expected, wrong = checked(rows, columns, reading(flow.timezone), f"the {of} of '{flow.name}'")
    if wrong:
        raise ConfigurationError(wrong)
    named = {name for row in expected for name in row}
    compared = [column.name for column in columns if column.name in named or not expected]
    return compare(expected, actual, ComparedTable.of_flow(flow, of, compared))
