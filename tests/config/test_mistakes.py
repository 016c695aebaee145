"""One edit of a valid file each: the code, the line that was edited, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.config.document import read_document
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

MISTAKES = [
    ("version: 1", "version: 2", "E105", "version"),
    ("version: 1", "versoin: 1", "E103", "did you mean 'version'?"),
    ("name: orders\n", "name: Orders\n", "E107", "'Orders' is no name"),
    ("name: orders\n", "name: orders\nname: twice\n", "E102", "key 'name' stands twice"),
    ("    format: csv\n", "    format: cvs\n", "E105", "did you mean 'csv'?"),
    ("    format: csv\n", "    format: kafka\n", "E900", "kafka is not supported yet"),
    ("    format: csv\n", "    format: !!python/name:os csv\n", "E106", "tag"),
    ("    format: csv\n", "    format: csv\n    start_at: 5\n", "E900", "'start_at' is not supported yet"),
    ("amount DECIMAL(10, 2)", "amount DECIMEL(10, 2)", "E310", "'DECIMEL' is no type"),
    ('at TIMESTAMP"', 'id TIMESTAMP"', "E310", "column 'id' stands twice"),
    ("    path: ${landing}/orders", "    path: ${lnding}/orders", "E110", "did you mean 'landing'?"),
    ("    path: ${landing}/orders", "    path: ${env:SECRET}/orders", "E112", "SECRET is not set"),
    ("    path: ${landing}/orders", "    path: s3://bucket/orders", "E900", "s3:"),
    ("    on_malformed: quarantine", "    on_malformed: quarentine", "E105", "did you mean 'quarantine'?"),
    ("    rate_limit: {files: 10}", "    rate_limit: {files: 0}", "E105", "greater than 0"),
    ("    rate_limit: {files: 10}", "    rate_limit: {files: 10, bytes: 5}", "E205", "either files or bytes"),
    ("    rate_limit: {files: 10}", "    rate_limit: {offsets: 10}", "E900", "'offsets' is not supported yet"),
    ("    rate_limit: {files: 10}", "    options: {mode: PERMISSIVE}", "E207", "belongs to the framework"),
    ("{type: int, default: 5}", "{type: int, default: five}", "E111", "is no whole number"),
    ("{type: int, default: 5}", "{type: int}", "E111", "has no value"),
    ("    inputs: {orders: changes, people: snapshot}", "    inputs: {order: changes, people: snapshot}", "E200", "did you mean 'orders'?"),
    ("    inputs: {orders: changes, people: snapshot}", "    inputs: {orders: snapshot, people: snapshot}", "E202", "reads no changes"),
    ("    inputs: {orders: changes, people: snapshot}", "    inputs: [orders, people]", "E202", "one changes input"),
    ("FROM orders o LEFT JOIN people p", "FROM orders o LEFT JOIN peple p", "E302", "did you mean 'people'?"),
    ("WHERE o.amount > :least", "WHERE o.amount > :last", "E303", "did you mean 'least'?"),
    ("WHERE o.amount > :least", "WHERE o.amount > ${least}", "E300", "does not reach SQL"),
    ("WHERE o.amount > :least", "WHERE (o.amount > :least", "E300", "does not parse"),
    ("    expectations:\n      named: {expr: name IS NOT NULL,", "    expectations:\n      named: {expr: name IS NOT NUL (,", "E300", "expectation 'named'"),
    ("{expr: name IS NOT NULL, on_violation: quarantine}", "{expr: count(name) > 1}", "E300", "row by row"),
    ("{expr: name IS NOT NULL, on_violation: quarantine}", "{on_violation: drop}", "E104", "'expr' is missing"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {strategy: overwrite}", "E203", "rows go to append or merge"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {strategy: scd2}", "E204", "scd2 needs sequence_by"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {keys: [who]}", "E204", "'keys' is for strategy: merge"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {path: ../out}", "E206", "inside storage"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {path: state/x}", "E206", "the framework's own place"),
    ("    sink: {strategy: append, partition_by: [who]}", "    sink: {partition_by: [who], cluster_by: [at]}", "E204", "not both"),
    ("      keys: [who]\n", "", "E204", "needs keys"),
    ("      sequence_by: [at]\n", "", "E204", "either sequence_by or insert_only"),
    ("      delete_when: amount < 0", "      insert_only: true", "E204", "either sequence_by or insert_only"),
    ("transforms:totals", "transforms:total", "E320", "did you mean 'totals'?"),
    ("transforms:totals", "transform:totals", "E320", "there is no"),
    ("transforms:totals", "transforms.totals", "E320", "module:function"),
    ("  totals:\n    inputs: [clean]", "  totals:\n    inputs: {latest: changes}", "E321", "is no"),
    ("  clean:\n    inputs: {orders: changes,", "  clean:\n    inputs: {latest: {read: snapshot, on_change: keep}, orders: changes,", "E201", "in a circle"),
    ("    incremental: full", "    incremental: fulll", "E105", "did you mean 'full'?"),
    ("    incremental: full", "    incremental: {groups: {who: {nobody: who}}}", "E240", "no changes input"),
    ("    incremental: full", "    incremental: {groups: {who: count(*)}}", "E300", "an aggregate"),
    ("    incremental: full", "    incremental: {groups: {}}", "E105", "groups"),
    ("  mode: batch", "  mode: batsch", "E105", "did you mean 'batch'?"),
    ("  mode: batch", "  timezone: Mars/Olympus", "E105", "no time zone"),
    ("min_retry_interval: 5 seconds", "min_retry_interval: 5 lightyears", "E105", "is no duration"),
    ("min_retry_interval: 5 seconds", "min_retry_intervall: 5 seconds", "E103", "did you mean 'min_retry_interval'?"),
    ("run:\n", "tests: []\nrun:\n", "E900", "'tests' is not supported yet"),
    ("run:\n", "run: [\n", "E101", "not valid YAML"),
]  # fmt: skip


def mistakes(write: Write, yaml: str) -> ConfigurationError | None:
    root = write({"pipelines/orders/pipeline.yml": yaml, "pipelines/orders/transforms.py": PYTHON})
    try:
        load(root / "pipelines" / "orders")
    except ConfigurationError as cause:
        return cause
    return None


def test_the_file_without_an_edit_is_valid(project: Write) -> None:
    assert mistakes(project, VALID) is None


@pytest.mark.parametrize(("old", "new", "code", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_code_its_line_and_what_to_do(
    project: Write, old: str, new: str, code: str, said: str
) -> None:
    assert VALID.count(old) == 1
    found = mistakes(project, VALID.replace(old, new))
    assert found is not None
    fitting = [item for item in found.diagnostics if item.code == code and said in item.render()]
    assert fitting, str(found)
    first = VALID[: VALID.index(old)].count("\n") + 1
    edited = range(first - 1, first + max(old.count("\n"), new.count("\n")) + 2)
    aside = {
        "E204",
        "E203",
        "E202",
        "E201",
        "E321",
        "E101",
        "E111",
    }  # told where the flow, the function or the end of the text stands
    assert fitting[0].at.line in edited or code in aside, str(found)


def test_all_mistakes_of_a_file_are_told_in_one_pass(project: Write) -> None:
    yaml = (
        VALID.replace("cvs", "csv")
        .replace("incremental: full", "incremental: fulll")
        .replace(":least", ":last")
        .replace("DECIMAL", "DECIMEL")
    )
    found = mistakes(project, yaml)
    assert found is not None
    assert {item.code for item in found.diagnostics} == {"E105", "E303", "E310"}
    lines = [item.at.line for item in found.diagnostics]
    assert lines == sorted(lines)


def test_a_message_looks_as_the_contract_says(project: Write) -> None:
    found = mistakes(project, VALID.replace("    on_malformed: quarantine", "    on_malformd: quarantine"))
    assert str(found) == (
        "pipelines/orders/pipeline.yml:13:5 [E103] unknown key 'on_malformd' in source 'orders'\n"
        " 13 |     on_malformd: quarantine\n"
        "    |     ^^^^^^^^^^^ did you mean 'on_malformed'?"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("22:22", "22:22"),
        ("012", 12),
        ("1e3", 1000.0),
        ("0o14", 12),
        ("yes", "yes"),
        ("~", None),
        ("true", True),
        (".5", 0.5),
    ],
)
def test_yaml_s_core_types_mean_what_they_say(tmp_path: Path, text: str, value: object) -> None:
    file = tmp_path / "a.yml"
    file.write_text(f"key: {text}\n", encoding="utf-8")
    assert read_document(file).values == {"key": value}


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


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_bytes_make_it_raise_anything_but_a_configuration_error(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_bytes(data)
    with pytest.raises(ConfigurationError):
        load(file)


def test_an_alias_bomb_and_deep_nesting_are_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join(['*' + old] * 10)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
    )
    for text in (bomb, "a: " + "[" * 500 + "]" * 500):
        file = tmp_path / "pipeline.yml"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match="E106"):
            load(file)
