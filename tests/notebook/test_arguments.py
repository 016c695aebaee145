"""Every argument of the public Python functions: what means nothing is refused, and said so, before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import etl
from etl.errors import ConfigurationError, EtlError
from etl.testing import assert_equal_modes, crash_everywhere
from tests.config.grammar.test_mistakes import PYTHON, VALID

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def pipeline(project: Write) -> Any:
    project({"pipelines/orders/pipeline.yml": VALID, "pipelines/orders/transforms.py": PYTHON})
    return etl.load("orders")


RANGE = {"select": "latest", "column": "at", "start": "2024-01-01", "end": "2024-01-02"}
WRONG: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("run", {"mode": "streaming"}, "did you mean 'stream'"),
    ("run", {"mode": "Batch"}, "did you mean 'batch'"),
    ("run", {"mode": True}, "none of 'batch', 'stream'"),
    ("run", {"mode": "auto"}, "not supported yet"),
    ("run", {"mode": "stream", "trigger": "continous"}, "did you mean 'continuous'"),
    ("run", {"mode": "stream", "trigger": "avalable_now"}, "did you mean 'available_now'"),
    ("run", {"mode": "stream", "trigger": "10 parsecs"}, "'10 seconds'"),
    ("run", {"mode": "stream", "trigger": "0 seconds"}, "longer than nothing"),
    ("run", {"mode": "stream", "trigger": 10}, "is no trigger"),
    ("run", {"trigger": "10 seconds"}, "a batch runs once"),
    ("run", {"full_refresh": "yes"}, "neither True nor False"),
    ("run", {"allow_history_loss": 1}, "neither True nor False"),
    ("run", {"select": 5}, "no list of names"),
    ("run", {"select": ["latst"]}, "did you mean 'latest'"),
    ("run", {"exclude": [None]}, "no list of names"),
    ("plan", {"mode": "straem"}, "did you mean 'stream'"),
    ("plan", {"full_refresh": None}, "neither True nor False"),
    ("plan", {"select": "latst"}, "did you mean 'latest'"),
    ("preview", {"flow": "latst"}, "did you mean 'latest'"),
    ("preview", {"flow": None}, "is no text"),
    ("preview", {"flow": "latest", "limit": 0}, "1 or more"),
    ("preview", {"flow": "latest", "limit": "20"}, "no whole number"),
    ("backfill", {**RANGE, "select": "latst"}, "did you mean 'latest'"),
    ("backfill", {**RANGE, "select": ["latest"]}, "is no text"),
    ("backfill", {**RANGE, "column": None}, "is no text"),
    ("backfill", {**RANGE, "start": None}, "is no text"),
    ("backfill", {**RANGE, "window": [1]}, "is no text"),
    ("replay", {"select": 1}, "is no text"),
    ("replay", {"select": "latst"}, "did you mean 'latest'"),
    ("verify", {"splits": -1}, "0 or more"),
    ("verify", {"splits": "3"}, "no whole number"),
    ("verify", {"seed": 1.5}, "no whole number"),
    ("verify", {"rows": 0}, "1 or more"),
    ("verify", {"generated": "no"}, "neither True nor False"),
    ("verify", {"select": ["latst"]}, "did you mean 'latest'"),
    ("history", {"flows": "latst"}, "did you mean 'latest'"),
    ("history", {"flows": 3}, "no list of names"),
)


def test_an_argument_that_means_nothing_is_refused_with_what_is_allowed(pipeline: Any) -> None:
    for method, arguments, said in WRONG:
        with pytest.raises(EtlError) as refused:
            getattr(pipeline, method)(**arguments)
        assert said in str(refused.value), f"{method}({arguments}): {refused.value}"
        assert refused.value.exit_code == 2
        assert not Path(".etl").exists(), f"{method}({arguments}) began something"


def test_one_name_counts_as_a_list_of_one(pipeline: Any) -> None:
    assert [item.flow.name for item in pipeline.plan(select="clean").flows] == ["clean"]
    assert pipeline.history(flows="clean").entries == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"reference": 5}, "neither a pipeline's name nor a path"),
        ({"reference": "orders", "env": None}, "no name of an environment"),
        ({"reference": "orders", "env": "prd"}, "there is no environment 'prd'"),
        ({"reference": "ordrs"}, "did you mean 'orders'"),
        ({"reference": "orders", "params": "least=1"}, "no mapping of names"),
        ({"reference": "orders", "params": {"least": [1]}}, "no single value"),
        ({"reference": "orders", "params": {"leest": 1}}, "did you mean 'least'"),
        ({"reference": "orders", "params": {"least": "many"}}, "no whole number"),
    ],
)
def test_load_refuses_what_it_does_not_know(pipeline: Any, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        etl.load(**arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"flow": "latst", "given": {}}, "did you mean 'latest'"),
        ({"flow": None, "given": {}}, "is no text"),
        ({"flow": "latest", "given": []}, "no mapping of inputs"),
        ({"flow": "latest", "given": {"claen": []}}, "did you mean 'clean'"),
        ({"flow": "latest", "given": {}, "arrivals": (0,)}, "1 or more"),
        ({"flow": "latest", "given": {}, "arrivals": "3"}, "no whole number"),
        ({"flow": "latest", "given": {}, "env": 1}, "no name of an environment"),
    ],
)
def test_assertions_for_tests_of_ones_own_refuse_it_too(pipeline: Any, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        assert_equal_modes("orders", **arguments)
    assert said in str(refused.value)


def test_crashes_are_asked_for_at_points_and_in_modes_that_there_are(pipeline: Any) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'stream'"):
        crash_everywhere("orders", flow="latest", given={}, modes=["streem"])  # type: ignore[list-item]  # that is the mistake
    with pytest.raises(ConfigurationError, match="did you mean 'locked'"):
        crash_everywhere("orders", flow="latest", given={}, points=["lockd"])  # type: ignore[list-item]  # that is the mistake


def test_bounds_of_a_backfill_may_be_dates_and_numbers() -> None:
    from etl.operations.arguments import bound

    assert [bound("start", value) for value in (date(2024, 1, 31), 5, "x")] == ["2024-01-31", "5", "x"]
