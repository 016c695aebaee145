"""What the contract names and this version does not have: one mistake, E900, and nothing else is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.cli.later import COMMANDS
from etl.config.load import load
from etl.errors import ConfigurationError
from tests.config.grammar.test_mistakes import PYTHON, VALID

Write = Callable[[Mapping[str, str]], Path]

PEOPLE = '  people: {format: csv, path: "${landing}/people.csv", schema: "who STRING, name STRING"}\n'
IN_SOURCES = (
    "settle: 30 seconds", "after_commit: {move: elsewhere}", "after_commit: delete", "arrives_as: dumps", 'dump: "*"', "keys: [id]",
    "contract: {new_columns: fail}", "cursor: {column: at, lag: 10 minutes, keys: [id]}", "partition: {column: id, count: 4}",
    "value: json", "value_schema_file: a.avsc", "start_at: {offsets: earliest}",
)  # fmt: skip
IN_FLOWS = ("freshness: 10 minutes", "strict: true", "run: {if: all_done}", "run: {mode: auto}",
            "run: {on_change: ask}")  # fmt: skip
EXPECTATIONS = (
    "{unique: [who]}", "{references: {people: who}, columns: [who]}", "{rows: {min: 1, max: 10000}}", "{fresh: {column: at, within: 2 hours}}",
    "{expr: who IS NOT NULL, fail_above: 1%}",
)  # fmt: skip
SINKS = ("{strategy: jdbc, options: {url: x}, keys: [id]}", "{strategy: kafka, topic: alerts, key: who, value: json}")
AT_THE_TOP = ('schedule: {cron: "0 2 * * 1-5"}', "schedule: {window: {every: 1 hour}}")
IN_RUN = (
    "mode: auto",
    "on_change: rebuild",
    "rebuild_limit: 100",
    "retry: {max_failures_per_hour: 6}",
)
SOURCES = (
    "  people: {format: kafka, options: {subscribe: a}, value: json, schema: 'who STRING, name STRING', on_malformed: quarantine}\n",
    "  people: {format: jdbc, options: {url: a, dbtable: b}, cursor: {column: at}, partition: {column: id, count: 4}}\n",
)
EDITS = (
    *(("    format: csv\n", f"    format: csv\n    {text}\n") for text in IN_SOURCES),
    *(("    inputs: {orders: changes", f"    {text}\n    inputs: {{orders: changes") for text in IN_FLOWS),
    *(("      named: {expr: name IS NOT NULL, on_violation: quarantine}", f"      named: {text}") for text in EXPECTATIONS),
    *(("    sink: {strategy: append, partition_by: [who]}", f"    sink: {text}") for text in SINKS),
    *(("name: orders\n", f"name: orders\n{text}\n") for text in AT_THE_TOP),
    *(("run:\n  mode: batch\n  retry: {max_retries: 2, min_retry_interval: 5 seconds}\n", f"run:\n  {text}\n") for text in IN_RUN),
    *((PEOPLE, text) for text in SOURCES),
    ("    rate_limit: {files: 10}", "    rate_limit: {offsets: 10}"),
)  # fmt: skip


def test_each_part_of_the_grammar_that_is_not_there_yet_says_so_and_nothing_else_is_said(project: Write) -> None:
    for old, new in EDITS:
        assert old in VALID
        root = project(
            {"pipelines/orders/pipeline.yml": VALID.replace(old, new, 1), "pipelines/orders/transforms.py": PYTHON}
        )
        with pytest.raises(ConfigurationError, match="is not supported yet") as refused:
            load(root / "pipelines" / "orders")
        assert {item.code for item in refused.value.diagnostics} == {"E900"}, f"{new}: {refused.value}"


FLAGS = (
    ("run", "orders", "--repair"), ("run", "orders", "--plan", "f"), ("run", "orders", "--approve"),
    ("run", "orders", "--mode", "auto"),
    ("plan", "orders", "--out", "f"),
    ("quarantine", "show", "orders"), ("docs", "build", "--to", "d"),
)  # fmt: skip


def test_each_command_and_flag_that_is_not_there_yet_says_so_and_exits_2(project: Write) -> None:
    project({"pipelines/orders/pipeline.yml": VALID, "pipelines/orders/transforms.py": PYTHON})
    for command in (*((name,) for name in sorted(COMMANDS)), *FLAGS):
        done = CliRunner().invoke(main, list(command))
        assert done.exit_code == 2, command
        assert "is not supported yet" in done.output, f"{command}: {done.output}"
        assert len(done.output.splitlines()) == 2
    assert CliRunner().invoke(main, ["frobnicate"]).output.count("supported") == 0
