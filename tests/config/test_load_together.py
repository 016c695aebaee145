"""Several pipelines loaded for one command: each once, with the params that it declares, and every mistake of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load, load_together
from etl.errors import ConfigurationError

Write = Callable[[Mapping[str, str]], Path]

RAW = """
version: 1
name: raw
params: {tenant: a, day: {type: date, default: 2026-01-01}}
sources: {s: {format: csv, path: landing, schema: "id INT"}}
flows: {kept: {inputs: [s], sink: {path: "shared/${tenant}"}}}
"""
MARTS = """
version: 1
name: marts
params: {least: 0}
sources: {kept: {pipeline: raw, flow: kept}}
flows: {copied: {inputs: [kept]}}
"""


def write(project: Write, raw: str = RAW, marts: str = MARTS) -> Path:
    return project({"pipelines/raw.yml": raw, "pipelines/marts/pipeline.yml": marts})


def test_each_pipeline_is_there_once_in_the_order_given_however_it_is_named(project: Write) -> None:
    root = write(project)
    specs = load_together(["raw", root / "pipelines" / "marts", "pipelines/raw.yml", "pipelines/../pipelines/marts"])
    assert [spec.name for spec in specs] == ["raw", "marts"]
    assert list(specs) == [load("raw"), load("marts")]


def test_a_param_is_for_each_pipeline_that_declares_it(project: Write) -> None:
    write(project)
    raw, marts = load_together(["raw", "marts"], params={"tenant": "b", "least": "3"})
    assert (dict(raw.params)["tenant"], dict(marts.params)["least"]) == ("b", 3)


def test_a_pipeline_of_the_command_is_read_where_the_param_has_it_write(project: Write) -> None:
    root = write(project)
    storage = root / ".etl" / "local" / "shared"
    _, marts = load_together(["raw", "marts"], params={"tenant": "b"})
    assert marts.sources[0].path == str(storage / "b")
    (alone,) = load_together(["marts"], params={"least": "1"})
    assert alone.sources[0].path == str(storage / "a")  # raw is not in the command


@pytest.mark.parametrize(
    ("names", "param", "said"),
    [
        (["raw", "marts"], "nope", "[E110] --param nope: none of the pipelines has such a param\n  the params are: day, least, tenant"),
        (["raw", "marts"], "tenent", "did you mean 'tenant'?"),
        (["marts"], "tenant", "--param tenant: none of the pipelines has such a param"),
    ],
)  # fmt: skip
def test_a_param_that_no_pipeline_declares_is_a_mistake(
    project: Write, names: list[str], param: str, said: str
) -> None:
    write(project)
    with pytest.raises(ConfigurationError) as raised:
        load_together(names, params={param: "1"})
    assert said in str(raised.value)


def test_a_value_of_another_type_is_told_of_the_pipeline_that_declares_it(project: Write) -> None:
    write(project)
    with pytest.raises(ConfigurationError) as raised:
        load_together(["raw", "marts"], params={"day": "soon", "least": "none"})
    assert [mistake.code for mistake in raised.value.diagnostics] == ["E111", "E111"]


def test_every_mistake_of_every_pipeline_is_told_once(project: Write) -> None:
    write(project, raw=RAW.replace("id INT", "id INTT"), marts=MARTS.replace("inputs: [kept]", "inputs: [kep]"))
    with pytest.raises(ConfigurationError) as raised:
        load_together(["marts", "raw", "marts"], params={"nope": "1"})
    said = [(mistake.code, Path(mistake.at.file).name) for mistake in raised.value.diagnostics]
    assert len(said) == len(set(said))
    assert ("E110", "") in said
    assert {file for _, file in said} >= {"raw.yml", "pipeline.yml"}


def test_a_declared_param_is_known_although_its_pipeline_has_mistakes(project: Write) -> None:
    write(project, raw=RAW.replace("id INT", "id INTT"))
    with pytest.raises(ConfigurationError) as raised:
        load_together(["raw", "marts"], params={"tenant": "b"})
    assert "--param" not in str(raised.value)


@pytest.mark.parametrize("raw", [None, "flows: {"])
def test_a_param_is_not_called_unknown_where_a_pipeline_cannot_be_read(project: Write, raw: str | None) -> None:
    write(project, raw=raw or RAW)
    with pytest.raises(ConfigurationError) as raised:
        load_together(["raw" if raw else "rew", "marts"], params={"tenant": "b"})
    assert len(raised.value.diagnostics) >= 1
    assert "--param" not in str(raised.value)
