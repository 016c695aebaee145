"""The JSON Schema takes what the loader takes and refuses typos, and every YAML file of the repository names it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from etl.config.document.reader import read_document
from etl.config.grammar.json_schema import environment_schema, pipeline_schema
from tests.config.grammar.test_mistakes import VALID
from tests.support.engine_cases import PIPELINE

ROOT = Path(__file__).parents[3]
PIPELINE_CHECK = jsonschema.Draft202012Validator(pipeline_schema())
ENVIRONMENT_CHECK = jsonschema.Draft202012Validator(environment_schema())
FILES = [
    *ROOT.glob("pipelines/*/pipeline.yml"),
    *ROOT.glob("benchmarks/pipelines/*/pipeline.yml"),
    *ROOT.glob("conf/*.yml"),
]


def wrong(text: str, tmp_path: Path, check: Any = PIPELINE_CHECK) -> list[str]:
    file = tmp_path / "file.yml"
    file.write_text(text, encoding="utf-8")
    return [f"{error.json_path}: {error.message}" for error in check.iter_errors(read_document(file).values)]


def test_the_schemas_are_schemas_of_the_draft_that_they_name() -> None:
    for schema in (pipeline_schema(), environment_schema()):
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_yaml_file_of_the_repository_names_its_schema_and_keeps_it(file: Path) -> None:
    first, _, rest = file.read_text(encoding="utf-8").partition("\n")
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named is not None
    kind = "environment" if file.parent.name == "conf" else "pipeline"
    assert (file.parent / named[1]).resolve() == ROOT / "docs" / "reference" / f"{kind}.schema.json"
    check = ENVIRONMENT_CHECK if kind == "environment" else PIPELINE_CHECK
    assert [error.message for error in check.iter_errors(read_document(file).values)] == []
    assert rest


def test_the_valid_pipelines_of_the_tests_are_valid(tmp_path: Path) -> None:
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    shown = re.search(r"^```yaml \S+\n(.*?)^```", tutorial, re.MULTILINE | re.DOTALL)
    assert shown is not None
    for text in (VALID, PIPELINE, shown[1].replace("quarentine", "quarantine")):
        assert wrong(text, tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: ${v}"),
        ("files: 10", 'files: "${n}"'),
        ("mode: batch", "mode: ${m}"),
        ("max_retries: 2", 'max_retries: "${r}"'),
        ("header: true", 'header: "${h}"'),
        ("header: true", 'header: "true"'),
        ("header: true", "header: true, someFutureOption: 5"),
        ("5 seconds", "5"),
        ("keys: [who]", "keys: who"),
        ("landing: ./landing", "landing: 5"),
        ("landing: ./landing", "landing: "),
        ("version: 1", "version: 1\nx-anchors: {a: [1, 2]}"),
        ("inputs: [clean]", "inputs: {clean: {read: snapshot, on_change: keep}}"),
    ],
)
def test_what_the_loader_takes_the_schema_takes(old: str, new: str, tmp_path: Path) -> None:
    assert old in VALID
    assert wrong(VALID.replace(old, new, 1), tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("version: 1", "versoin: 1", "versoin"),
        ("version: 1", "version: 2", "$.version"),
        ("name: orders", "name: Orders", "$.name"),
        ("format: csv", "format: cvs", "$.sources.orders"),
        ("on_malformed: quarantine", "on_malformed: quarentine", "$.sources.orders.on_malformed"),
        ("files: 10", "files: 0", "$.sources.orders.rate_limit"),
        ("files: 10", "files: ten", "$.sources.orders.rate_limit"),
        ("header: true", "header: maybe", "$.defaults.source"),
        ("rate_limit: {files: 10}", "options: {multiLine: 7}", "$.sources.orders"),
        ("rate_limit: {files: 10}", "options: {inferSchema: true}", "$.sources.orders"),
        ("rate_limit: {files: 10}", "options: {INFERSCHEMA: true}", "$.sources.orders"),
        ("inputs: [clean]", "inputs: [1]", "$.flows.latest.inputs"),
        ("people: snapshot", "people: snapshots", "$.flows.clean.inputs"),
        ("incremental: rows", "incremental: row", "$.flows.clean.incremental"),
        ("strategy: append", "stratgy: append", "$.flows.clean.sink"),
        ("source: {options", "sauce: {options", "$.defaults"),
        ("expr: name", "exp: name", "$.flows.clean.expectations.named"),
        ("5 seconds", "5 parsecs", "$.run.retry.min_retry_interval"),
        ("mode: batch", "mode: bach", "$.run.mode"),
        ("least: {type: int", "least: {type: integer", "$.params.least"),
    ],
)
def test_a_typo_is_refused_at_its_place(old: str, new: str, at: str, tmp_path: Path) -> None:
    assert old in VALID
    said = wrong(VALID.replace(old, new, 1), tmp_path)
    assert said
    assert any(at in line for line in said), said


def test_what_defaults_supply_a_source_need_not_say(tmp_path: Path) -> None:
    text = VALID.replace("    format: csv\n", "", 1)
    assert wrong(text.replace("source: {options", "source: {format: csv, options"), tmp_path) == []
    assert wrong(re.sub(r"defaults:\n.*\n", "", text), tmp_path) != []


def test_an_environment_is_checked_too(tmp_path: Path) -> None:
    valid = "storage: ./store\nparams: {a: 1}\nspark: {master: 'local[2]', conf: {a.b: true}}\nrun: {mode: stream}\n"
    assert wrong(valid, tmp_path, ENVIRONMENT_CHECK) == []
    for old, new in (("storage", "storeage"), ("stream", "streams"), ("master", "mastre")):
        assert wrong(valid.replace(old, new), tmp_path, ENVIRONMENT_CHECK) != []


def test_every_key_and_every_option_is_described() -> None:
    silent = []
    for schema in (pipeline_schema(), environment_schema()):
        models = {"": schema, **schema["$defs"]}
        keys = {
            (name, key): item for name, model in models.items() for key, item in model.get("properties", {}).items()
        }
        silent += [at for at, item in keys.items() if "description" not in item and "$ref" not in item]
    options = [
        part["then"]["properties"]["options"]["properties"] for part in pipeline_schema()["$defs"]["Source"]["allOf"]
    ]
    silent += [name for option in options for name, item in option.items() if not item["description"]]
    assert silent == []
    assert len(options) > 1


def test_the_loader_and_a_plain_yaml_reader_see_the_same_file() -> None:
    """Editors read plain YAML: what they check must be what is loaded."""
    for file in FILES:
        assert yaml.safe_load(file.read_text(encoding="utf-8")) == read_document(file).values
