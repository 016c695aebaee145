"""`columns` and `primary_key`: their mistakes, what of them is in a fingerprint, and what a person may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.masking import masked, sensitive
from etl.config.spec import PipelineSpec
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]

YAML = """\
version: 1
name: p
sources: {s: {format: csv, path: landing, schema: "id INT, at TIMESTAMP, v STRING"}}
flows:
  f:
    inputs: [s]
    incremental: rows
    expectations: {known: {expr: v IS NOT NULL}}
    columns:
      id: {type: INT, description: Its number}
      V: {sensitive: true}
    primary_key: [id, at]
    sink: {strategy: merge, keys: [id], sequence_by: [at]}
"""


def loaded(project: Write, yaml: str = YAML) -> PipelineSpec:
    return load(project({"pipelines/p.yml": yaml}) / "pipelines" / "p.yml")


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("type: INT", "type: INTT", "E311", 10, "'INTT' is no type of Spark's"),
        ("type: INT", "type: 'INT, b INT'", "E310", 10, "is more than one type"),
        ("      V:", "      ID: {}\n      V:", "E107", 11, "do not differ by case"),
        ("sensitive: true", "sensitiv: true", "E103", 11, "in column 'V'"),
        ("sensitive: true", "sensitive: maybe", "E105", 11, "sensitive"),
        ("[id, at]", "[at]", "E238", 12, "add 'id' to primary_key"),
        ("sequence_by: [at]", "sequence_by: [at], except_columns: [at]", "E234", 12, "'at' of the primary_key is not stored"),
        ("known: {expr", "primary_key: {expr", "E119", 8, "rename the expectation"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_line(project: Write, old: str, new: str, code: str, line: int, said: str) -> None:
    assert YAML.count(old) == 1
    with pytest.raises(ConfigurationError) as raised:
        loaded(project, YAML.replace(old, new))
    found = [item for item in raised.value.diagnostics if item.code == code and said in item.render()]
    assert [item.at.line for item in found] == [line], str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("Its number", "The number of it", ()),
        ("sensitive: true", "sensitive: false", ()),
        ("type: INT", "type: BIGINT", ("columns",)),
        ("[id, at]", "[at, id]", ()),
        ("[id, at]", "[id, at, v]", ("primary key",)),
    ],
)
def test_a_fingerprint_depends_on_the_contract_and_on_no_description(
    project: Write, old: str, new: str, changed: tuple[str, ...]
) -> None:
    one, other = loaded(project), loaded(project, YAML.replace(old, new))
    assert fingerprint(other, other.flows[0]).changed(fingerprint(one, one.flows[0]).parts) == changed


def test_a_primary_key_is_an_expectation_that_fails_the_flow(project: Write) -> None:
    rules = [(item.name, item.expr, item.on_violation) for item in loaded(project).flows[0].rules]
    assert rules == [
        ("primary_key", "`id` IS NOT NULL AND `at` IS NOT NULL", "fail"),
        ("known", "v IS NOT NULL", "warn"),
    ]


def test_of_a_sensitive_value_a_person_sees_only_that_there_is_one(project: Write) -> None:
    hidden = sensitive(loaded(project).flows[0])
    assert masked({"id": 1, "v": "secret"}, hidden) == {"id": 1, "v": "***"}
    assert masked({"id": 1, "v": None}, hidden) == {"id": 1, "v": None}
