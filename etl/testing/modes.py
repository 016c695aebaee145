"""`assert_equal_modes`: the same rows by one batch and by streams that see them in other portions and another order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etl.config.diagnostics import Diagnostic, did_you_mean
from etl.config.load import load
from etl.config.schema.rows import Written, plain
from etl.config.spec import GivenSpec
from etl.errors import ConfigurationError, RunError
from etl.operations import arguments
from etl.operations.harness.difference import ComparedTable, compare
from etl.operations.harness.difference_table import difference_text
from etl.operations.harness.pipeline_tests import OURS
from etl.operations.harness.sandbox import by_itself
from etl.testing.shared import sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.config.spec import FlowSpec, PipelineSpec
    from etl.engine.tables.rows import TableRows
    from etl.operations.harness.sandbox import Tried

    Rows = Sequence[Mapping[str, Any]]
    Given = Mapping[str, Rows | Sequence[Rows]]


def assert_equal_modes(
    pipeline: str | Path,
    *,
    flow: str,
    given: Given,
    arrivals: int | Sequence[int] = (1, 3),
    params: Mapping[str, Any] | None = None,
    env: str = "local",
) -> None:
    """Assert that a flow makes the same target and quarantine of `given` in both modes, however the rows arrive.

    `given`: input → rows as in `tests:`, or a list of arrivals. Rows of inputs that are read as changes are shuffled (the same
    way each time) and streamed in as many arrivals as each number of `arrivals` says; arrivals that are given are streamed as they are.
    Raises AssertionError with the rows that differ, ConfigurationError for what does not fit, and RunError where the flow fails.
    """
    __tracebackhide__ = True  # pytest shows the caller's line and the rows
    if isinstance(arrivals, int):
        arrivals = (arrivals,)
    for count in arrivals:
        arguments.whole("arrivals", count, least=1)
    spec, tested = one_flow(pipeline, flow, params=params, env=env)
    rows = given_rows(tested, given)
    changes = {item.dataset for item in tested.inputs if item.read == "changes"}
    splits = [
        (f"{count} arrivals", [_split(item, count) if item.dataset in changes else item for item in rows])
        for count in arrivals
    ]
    if any(len(item.arrivals) > 1 for item in rows):
        splits.insert(0, ("the arrivals as given", rows))
    with sandbox(spec.spark) as shared:
        batch = require_success(tested, shared.tried(spec, tested, rows, "batch", quarantine=True))
        for description, split in splits:
            stream = require_success(tested, shared.tried(spec, tested, split, "stream", quarantine=True))
            differing = difference_texts(tested, expected=batch, actual=stream)
            if differing:
                head = f"flow '{flow}': a stream in {description} (actual) is not equal to one batch (expected)"
                raise AssertionError("\n".join([head, *differing]))


def one_flow(
    pipeline: str | Path, flow: str, *, params: Mapping[str, Any] | None, env: str
) -> tuple[PipelineSpec, FlowSpec]:
    """A pipeline whose flows stand by themselves, and the one of that name; ConfigurationError where there is none."""
    arguments.reference(pipeline)
    arguments.environment(env)
    arguments.params(params)
    arguments.text("flow", flow)
    spec = by_itself(load(pipeline, environment=env, params=dict(params or {})))
    named = spec.flow(flow)
    if named is None:
        names = [other.name for other in spec.flows]
        hint = did_you_mean(flow, names) or f"there are: {', '.join(names)}"
        raise ConfigurationError(
            [Diagnostic("E270", f"there is no flow '{flow}' in pipeline '{spec.name}'", hint=hint)]
        )
    return spec, named


def given_rows(flow: FlowSpec, given: Given) -> list[GivenSpec]:
    """The rows by input, in arrivals; ConfigurationError where the flow has no such input."""
    datasets = {item.name: item.dataset for item in flow.inputs} | {item.dataset: item.dataset for item in flow.inputs}
    inputs = []
    if not isinstance(given, Mapping):
        hint = "given={'orders': [{'id': 1}]}"
        raise ConfigurationError([Diagnostic("E150", "given is no mapping of inputs to rows", hint=hint)])
    for name, rows in given.items():
        if name not in datasets:
            hint = did_you_mean(name, datasets) or f"its inputs are: {', '.join(item.name for item in flow.inputs)}"
            raise ConfigurationError([Diagnostic("E270", f"flow '{flow.name}' has no input '{name}'", hint=hint)])
        nested = bool(rows) and all(isinstance(item, list | tuple) for item in rows)
        arrivals: Any = rows if nested else [rows]
        inputs.append(
            GivenSpec(datasets[name], tuple(tuple(plain(dict(row)) for row in arrival) for arrival in arrivals))
        )
    return inputs


def _split(given: GivenSpec, count: int) -> GivenSpec:
    """The rows in another order, over `count` arrivals, of which some may be empty."""
    rng = random.Random(count)  # noqa: S311  # the same split each time, and no secret
    rows = [row for arrival in given.arrivals for row in arrival]
    rng.shuffle(rows)
    portions: list[list[Written]] = [[] for _ in range(count)]
    for row in rows:
        rng.choice(portions).append(row)
    return GivenSpec(given.dataset, tuple(map(tuple, portions)))


def require_success(flow: FlowSpec, tried: Tried) -> Tried:
    """What the flow has made; raises RunError where it failed."""
    failure = tried.failure
    if failure is not None:
        raise RunError(f"flow '{flow.name}' failed: {failure.message}", where=failure.where, hint=failure.hint)
    return tried


def difference_texts(flow: FlowSpec, *, expected: Tried, actual: Tried) -> list[str]:
    """How target and quarantine differ, for a person; empty where they do not."""
    texts = (
        _difference(flow, "target", expected.target, actual.target),
        _difference(flow, "quarantine", expected.quarantine, actual.quarantine),
    )
    return [text for text in texts if text]


def _difference(flow: FlowSpec, of: str, batch: TableRows | None, stream: TableRows | None) -> str:
    if batch is None or stream is None:
        return "" if batch is stream else f"{of}: only one of the modes has made it"
    names = [column.name for column in batch.columns if column.name not in OURS]
    others = [column.name for column in stream.columns if column.name not in OURS]
    if names != others:
        return f"{of}: its columns are {', '.join(names)} after a batch, and {', '.join(others)} after a stream"
    difference = compare(batch.rows, stream.rows, ComparedTable.of_flow(flow, of, names))
    return difference_text(difference) if difference is not None else ""
