"""Secrets: where they come from, what is said when they are missing, and that their values show nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.config import secrets
from etl.config.load import load
from etl.config.spec import PipelineSpec
from etl.errors import ConfigurationError, EnvironmentProblem
from etl.notebook.pipeline import Pipeline
from etl.operations.plan import plan
from etl.planning.fingerprint import fingerprint
from etl.planning.request import RunRequest

Write = Callable[[Mapping[str, str]], Path]

YAML = """\
version: 1
name: p
params:
  landing: landing
  password: ${env:ETL_TEST_PASSWORD}
sources:
  s:
    format: csv
    path: ${landing}
    schema: "id INT"
    options: {comment: "#", apiKey: "${password}", header: "${file:header.txt}"}
flows:
  f:
    inputs: [s]
    transform: {sql: "SELECT id FROM s WHERE :password <> ''"}
"""
VALUE = "hunter2'\"&x"


@pytest.fixture
def write(project: Write, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PipelineSpec]:
    monkeypatch.setenv("ETL_TEST_PASSWORD", VALUE)

    def loaded(yaml: str = YAML, **more: str) -> PipelineSpec:
        project({"pipelines/p.yml": yaml, "header.txt": "true\n", **more})
        return load("p")

    return loaded


def test_a_secret_is_filled_in_wherever_a_param_may_stand(write: Callable[..., PipelineSpec]) -> None:
    spec = write()
    assert dict(spec.params)["password"] == VALUE
    assert dict(spec.sources[0].options) == {"comment": "#", "apiKey": VALUE, "header": "true"}


@pytest.mark.parametrize(
    ("name", "said"), [("delta.logRetentionDuration", "which every reader sees"), ("owner", "only those of its own")]
)
def test_a_secret_in_a_table_property_is_refused_since_every_reader_sees_it(
    write: Callable[..., PipelineSpec], name: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as raised:
        write(YAML + f"    sink: {{properties: {{{name}: '${{env:ETL_TEST_PASSWORD}}'}}}}\n")
    assert raised.value.diagnostics[0].at.line == 16


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("${env:ETL_NOT_SET}", "the environment variable ETL_NOT_SET is not set"),
        ("${env:ETL_EMPTY}", "the secret ${env:ETL_EMPTY} is empty"),
        ("${file:nothing.txt}", "the secret's file nothing.txt cannot be read: No such file or directory"),
    ],
)
def test_a_missing_secret_is_a_mistake_at_its_place(
    write: Callable[..., PipelineSpec], monkeypatch: pytest.MonkeyPatch, reference: str, said: str
) -> None:
    monkeypatch.setenv("ETL_EMPTY", "")
    with pytest.raises(ConfigurationError) as raised:
        write(YAML.replace('"${password}"', f'"{reference}"'))
    (found,) = raised.value.diagnostics
    assert (found.code, found.message, found.at.line) == ("E112", said, 11)


def test_a_secret_that_an_environment_has_for_another_pipeline_is_not_asked_for(
    write: Callable[..., PipelineSpec],
) -> None:
    spec = write(**{"conf/base.yml": "params: {of_another: '${env:ETL_NOT_SET}', landing: elsewhere}\n"})
    assert dict(spec.params)["landing"] == "elsewhere"


def test_neither_errors_nor_the_plan_show_a_value(write: Callable[..., PipelineSpec]) -> None:
    write()
    for arguments in (["plan", "p"], ["plan", "p", "--json"], ["validate", "p"], ["validate", "p", "--json"]):
        found = CliRunner().invoke(main, arguments)
        assert found.exit_code == 0, found.output
        assert "hunter2" not in found.output + found.stderr
    assert str(EnvironmentProblem(f"cannot reach {VALUE}", hint=VALUE)) == (
        "cannot reach ${env:ETL_TEST_PASSWORD}\n  ${env:ETL_TEST_PASSWORD}"
    )
    with pytest.raises(ConfigurationError) as raised:
        write(YAML.replace("format: csv", "format: ${password}"))
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(raised.value.diagnostics)
    assert "hunter2" not in repr(write())


def test_a_notebook_does_not_show_a_value(write: Callable[..., PipelineSpec]) -> None:
    pipeline = Pipeline(write(YAML.replace("path: ${landing}", "path: '${password}'")))
    shown = [pipeline._repr_html_(), pipeline.plan()._repr_html_(), repr(pipeline.plan()), repr(pipeline)]
    assert "hunter2" not in "".join(shown)
    assert "${env:ETL_TEST_PASSWORD}" in shown[0]


def test_a_fingerprint_depends_on_the_reference_and_never_on_the_value(
    write: Callable[..., PipelineSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write()
    before = fingerprint(spec, spec.flows[0])
    monkeypatch.setenv("ETL_TEST_PASSWORD", "rotated-value")
    monkeypatch.setenv("ETL_TEST_OTHER", "rotated-value")
    spec = write()
    assert fingerprint(spec, spec.flows[0]) == before
    spec = write(YAML.replace("${env:ETL_TEST_PASSWORD}\n", "${env:ETL_TEST_OTHER}\n"))
    assert set(fingerprint(spec, spec.flows[0]).changed(before.parts)) == {"param password", "source s"}


def test_every_form_of_a_value_is_redacted_and_redacted_text_stays_as_it_is() -> None:
    secrets.remember("pass word/ü\nsecond-line-of-it", "${file:word}")
    for form in (
        r"pass word/\u00fc\nsecond-line-of-it",
        "pass%20word%2F%C3%BC%0Asecond-line-of-it",
        "x second-line-of-it",
    ):
        once = secrets.redact(form)
        assert "second-line" not in once
        assert secrets.redact(once) == once


def test_a_short_secret_is_warned_about_and_does_not_turn_texts_into_references(
    write: Callable[..., PipelineSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETL_TEST_PASSWORD", "ab1")
    spec = write()
    assert ("W102", 5) in [(item.code, item.at.line) for item in spec.warnings]
    assert secrets.redact("tab1e") == "tab1e"


def test_a_query_that_reads_a_secret_is_warned_about(write: Callable[..., PipelineSpec]) -> None:
    found = [item for item in write().warnings if item.code == "W104"]
    assert [(item.at.line, "reads the secret :password" in item.message) for item in found] == [(15, True)]


def test_a_literal_that_looks_like_a_secret_is_a_warning_that_does_not_show_it(
    write: Callable[..., PipelineSpec],
) -> None:
    spec = write(
        YAML.replace('"${password}"', "geheim1234"),
        **{"conf/local.yml": "spark: {conf: {spark.x.secret.key: geheim5}}\n"},
    )
    told = [item.render() for item in spec.warnings if item.code == "W101"]
    assert [item.splitlines()[0].partition(" ")[0] for item in told] == ["conf/local.yml:1:16", "pipelines/p.yml:11:29"]
    assert "geheim" not in "".join(told)
    assert told[1] == (
        "pipelines/p.yml:11:29 [W101] 'apiKey' looks like a secret, and its value stands in the file\n"
        ' 11 |     options: {comment: "#", apiKey: ***\n'
        "    |                             ^^^^^^ keep it elsewhere: ${env:NAME}, or ${file:PATH}; then change it"
    )
    assert len(plan(spec, RunRequest()).warnings) >= 2
    shown = CliRunner().invoke(main, ["validate", "p"])
    assert shown.exit_code == 0
    assert "[W101]" in shown.stderr
