"""Several mistakes at once, what YAML means, and what no file may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.errors import ConfigurationError

Write = Callable[[Mapping[str, str]], Path]

VALID = """\
version: 1
name: orders
params:
  landing: ./landing
  least: {type: int, default: 5}
defaults:
  source: {options: {header: true}}
sources:
  orders:
    format: csv
    path: ${landing}/orders
    schema: "id BIGINT, who STRING, amount DECIMAL(10, 2), at TIMESTAMP"
    on_malformed: quarantine
    rate_limit: {files: 10}
  people: {format: csv, path: "${landing}/people.csv", schema: "who STRING, name STRING"}
flows:
  clean:
    inputs: {orders: changes, people: snapshot}
    transform:
      sql: |
        SELECT o.id, o.who, p.name, o.amount, o.at
        FROM orders o LEFT JOIN people p ON o.who = p.who
        WHERE o.amount > :least
    incremental: rows
    expectations:
      named: {expr: name IS NOT NULL, on_violation: quarantine}
    sink: {strategy: append, partition_by: [who]}
  latest:
    inputs: [clean]
    incremental: rows
    sink:
      strategy: merge
      keys: [who]
      sequence_by: [at]
      delete_when: amount < 0
  totals:
    inputs: [clean]
    transform: {python: "transforms:totals"}
    incremental: full
run:
  mode: batch
  retry: {max_retries: 2, min_retry_interval: 5 seconds}
"""
PYTHON = "def totals(clean):\n    return clean.groupBy('who').count()\n"


def mistakes(write: Write, yaml: str) -> ConfigurationError | None:
    root = write({"pipelines/orders/pipeline.yml": yaml, "pipelines/orders/transforms.py": PYTHON})
    try:
        load(root / "pipelines" / "orders")
    except ConfigurationError as cause:
        return cause
    return None


def test_the_file_without_an_edit_is_valid(project: Write) -> None:
    assert mistakes(project, VALID) is None


def test_all_mistakes_of_a_file_are_told_in_one_pass(project: Write) -> None:
    yaml = (
        VALID.replace("cvs", "csv")
        .replace("incremental: full", "incremental: fulll")
        .replace(":least", ":last")
        .replace("DECIMAL", "DECIMEL")
    )
    found = mistakes(project, yaml)
    assert found is not None
    assert {item.code for item in found.diagnostics} == {"E121", "E303", "E311"}
    lines = [item.at.line for item in found.diagnostics]
    assert lines == sorted(lines)


def test_a_message_looks_as_the_contract_says(project: Write) -> None:
    found = mistakes(project, VALID.replace("    on_malformed: quarantine", "    on_malformd: quarantine"))
    assert str(found) == (
        "pipelines/orders/pipeline.yml:13:5 [E103] unknown key 'on_malformd' in source 'orders'\n"
        " 13 |     on_malformd: quarantine\n"
        "    |     ^^^^^^^^^^^ did you mean 'on_malformed'?"
    )


def test_an_environment_is_laid_over_the_pipeline_and_flags_over_both(project: Write) -> None:
    root = project(
        {
            "pipelines/orders/pipeline.yml": VALID,
            "pipelines/orders/transforms.py": PYTHON,
            "conf/base.yml": "params: {least: 6, landing: ./base}\nrun: {mode: stream}\n",
            "conf/prod.yml": "storage: ./prod\nparams: {least: 7}\nspark: {conf: {spark.x: 1}}\n",
        }
    )
    spec = load("orders", environment="prod", params={"least": "8"})
    assert dict(spec.params) == {"landing": "./base", "least": 8}
    assert (spec.run.mode, spec.storage, spec.spark.conf) == ("stream", str(root / "prod"), (("spark.x", "1"),))
    with pytest.raises(ConfigurationError, match="did you mean 'prod'"):
        load("orders", environment="prd")
