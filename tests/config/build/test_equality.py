"""`equality:` of a flow: what may be said, and what is wrong with the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.spec import Near
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint

Project = Callable[[Mapping[str, str]], Path]
TEXT = """
version: 1
name: p
sources: {{orders: {{format: json, path: landing, schema: "id BIGINT, who STRING, amount DOUBLE, at TIMESTAMP"}}}}
flows:
  f:
    inputs: [orders]
    {more}
"""


def _mistakes(project: Project, more: str) -> list[tuple[str, str]]:
    project({"pipelines/p.yml": TEXT.format(more=more)})
    with pytest.raises(ConfigurationError) as told:
        load("p")
    return [(item.code, f"{item.message} | {item.hint}") for item in told.value.diagnostics]


def test_columns_are_left_out_near_or_without_an_order_and_no_fingerprint_knows_of_it(project: Project) -> None:
    project({"pipelines/p.yml": TEXT.format(more="")})
    before = load("p")
    project(
        {
            "pipelines/p.yml": TEXT.format(
                more="equality: {ignore: [At], amount: {rel: 1e-6, abs: 0.01}, who: unordered}"
            )
        }
    )
    after = load("p")
    said = after.flows[0].equality
    assert (said.ignore, said.near, said.unordered) == (("At",), (Near("amount", 1e-6, 0.01),), ("who",))
    assert fingerprint(before, before.flows[0]) == fingerprint(after, after.flows[0])


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("{ignore: at}", "E121", "unordered"),
        ("{amount: {}}", "E242", "no tolerance"),
        ("{amount: {rel: -1}}", "E122", "not below 0"),
        ("{amount: {rel: .inf}}", "E105", "finite"),
        ("{amount: {relative: 1}}", "E103", "rel"),
        ("{amount: exact}", "E121", "unordered"),
        ("{amount: [at]}", "E242", "only ignore takes a list"),
        ("{ignore: [at], at: unordered}", "E242", "nothing more"),
        ("{ignore: [amuont]}", "E242", "did you mean 'amount'"),
        ("{wo: unordered}", "E242", "is no column"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(project: Project, said: str, code: str, words: str) -> None:
    ((found, told),) = _mistakes(project, f"equality: {said}")
    assert (found, words in told) == (code, True), told


def test_a_column_that_decides_which_rows_are_written_is_never_ignored(project: Project) -> None:
    more = "{equality: {ignore: [at]}, sink: {strategy: merge, keys: [id], sequence_by: [at]}}"
    project({"pipelines/p.yml": TEXT.format(more="<<: " + more)})
    with pytest.raises(ConfigurationError) as told:
        load("p")
    assert "sink.sequence_by decides" in str(told.value)
