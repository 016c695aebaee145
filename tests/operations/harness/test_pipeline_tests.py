"""`tests:` of a pipeline carried out: both modes, arrivals, quarantine, params, files, and what failing looks like."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from etl.config.load import load
from etl.operations.harness.difference_table import difference_text
from etl.operations.harness.pipeline_tests import TestResult, run_tests, selected

pytestmark = pytest.mark.spark
Write = Callable[[Mapping[str, str]], Path]

PIPELINE = """\
version: 1
name: shop
params: {least: {type: int, default: 0}}
run: {timezone: Europe/Berlin}
sources:
  orders:
    format: json
    path: landing/orders
    schema: "id BIGINT, who STRING, amount DECIMAL(10,2), at TIMESTAMP, tags ARRAY<STRING>, extra STRUCT<a: INT, B: DATE>, ok BOOLEAN, raw BINARY, m MAP<STRING, DOUBLE>"
    on_malformed: quarantine
  people: {format: csv, path: landing/people.csv, schema: "who STRING, name STRING", options: {header: true}}
  events: {format: delta, path: nowhere}
flows:
  clean:
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT o.*, p.name FROM orders o LEFT JOIN people p ON o.who = p.who WHERE amount IS NULL OR amount >= :least"}
    incremental: rows
    expectations:
      positive: {expr: amount > 0, on_violation: drop}
      known: {expr: name IS NOT NULL, on_violation: quarantine}
  latest:
    inputs: [clean]
    transform: {sql: "SELECT who, id, at FROM clean"}
    incremental: rows
    sink: {strategy: merge, keys: [who], sequence_by: [at], partition_by: [who]}
  totals:
    inputs: [latest]
    transform: {sql: "SELECT date(at) AS day, count(*) AS n, sum(id) AS total FROM latest GROUP BY 1"}
  loud:
    inputs: [events]
    transform: {sql: "SELECT upper(what) AS what FROM events"}
    expectations: {short: {expr: length(what) < 6, on_violation: fail}}
tests:
"""
GOOD = """\
  - name: every type comes through, what has no amount is dropped
    flow: clean
    given:
      orders:
        - {id: 1, who: a}
        - {id: 2, who: a, amount: 12.50, at: 2013-07-01 10:00:00, tags: [x, null], extra: {b: 2013-01-02}, ok: false, raw: é, m: {k: .nan}}
      people: [{who: a, name: Anna}]
    expect: [{id: 2, name: Anna, amount: 12.5, at: 2013-07-01T08:00:00Z, tags: [x, null], extra: {a: null, B: 2013-01-02}, ok: false, raw: é, m: {k: .nan}}]
    quarantine: []
  - name: malformed lines of a file and strangers are quarantined
    flow: clean
    given: {orders: orders.json}
    params: {least: 5}
    expect: {rows: [], quarantine: [{id: 2, _etl_reason: known}, {id: null, _etl_reason: malformed, _etl_record: '{"id":"x"}'}]}
  - name: an older row that arrives later changes nothing
    flow: latest
    given:
      clean:
        - [{id: 1, who: a, at: 2013-01-01 10:00:00}, {id: 2, who: b, at: 2013-01-01 10:00:00}]
        - [{id: 3, who: a, at: 2013-01-01 09:00:00}, {id: 4, who: b, at: 2013-01-01 11:00:00}]
    expect: [{id: 1, who: a}, {id: 4, who: b}]
"""
BAD = """\
  - name: totals are wrong
    flow: totals
    given: {latest: [{id: 1, at: 2013-07-01 23:30:00}, {id: 2, at: 2013-07-01 10:00:00}]}
    expect: [{day: 2013-07-01, n: 2, total: 4}]
  - name: a column that is not there
    flow: totals
    given: {latest: [{amount: 1}]}
    expect: []
  - name: a failing expectation fails the test
    flow: loud
    given: {events: [{what: whatever}]}
    expect: []
"""


ORDERS = '{"id":1,"who":"a","amount":4}\n{"id":2,"who":"b","amount":5}\n{"id":"x"}\n'


@pytest.fixture
def outcomes(project: Write) -> Callable[[str], list[TestResult]]:
    def run(block: str) -> list[TestResult]:
        project({"pipelines/shop/pipeline.yml": PIPELINE + block, "pipelines/shop/orders.json": ORDERS})
        return list(run_tests(selected([load("shop")], ())))

    return run


def test_what_is_expected_comes_of_both_modes_and_nothing_of_the_project_is_written(
    outcomes: Callable[[str], list[TestResult]],
) -> None:
    found = outcomes(GOOD)
    told = [(item.message, [difference_text(one) for one in item.differences]) for item in found]
    assert [(item.status, item.mode) for item in found] == [("passed", "batch"), ("passed", "stream")] * 3, told
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["pipelines"]


def test_what_is_not_expected_is_shown_and_what_is_wrong_with_a_test_is_an_error(
    outcomes: Callable[[str], list[TestResult]],
) -> None:
    found = outcomes(BAD)
    assert [item.status for item in found] == ["failed", "failed", "error", "error", "failed", "failed"]
    assert "»4«" in difference_text(found[0].differences[0])
    assert "»3«" in difference_text(found[1].differences[0])
    assert "there is no column 'amount'" in found[2].message
    assert ":40:23 [E270]" in found[2].message
    assert "expectation 'short'" in found[4].message


def test_the_command_prints_one_document_and_exits_1(project: Write) -> None:
    project({"pipelines/shop/pipeline.yml": PIPELINE + BAD, "pipelines/shop/orders.json": ORDERS})
    done = CliRunner().invoke(main, ["test", "--select", "totals are wrong", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["status"]) == (1, "failed")
    first = document["tests"][0]
    assert (first["pipeline"], first["name"], first["flow"], first["mode"], first["status"]) == (
        "shop", "totals are wrong", "totals", "batch", "failed",
    )  # fmt: skip
    assert first["difference"]["tables"][0]["rows"] == [
        {
            "expected": {"day": "2013-07-01", "n": "2", "total": "4"},
            "actual": {"day": "2013-07-01", "n": "2", "total": "3"},
            "differing": ["total"],
        }
    ]


def test_a_selection_of_nothing_says_what_there_is(project: Write) -> None:
    project({"pipelines/shop/pipeline.yml": PIPELINE + BAD, "pipelines/shop/orders.json": ORDERS})
    done = CliRunner().invoke(main, ["test", "--select", "totls"])
    assert done.exit_code == 2
    assert "did you mean 'totals'?" in done.output


def test_a_project_without_tests_says_so_and_exits_0(project: Write) -> None:
    project({"pipelines/shop/pipeline.yml": PIPELINE.removesuffix("tests:\n"), "pipelines/shop/orders.json": ORDERS})
    done = CliRunner().invoke(main, ["test", "shop"])
    assert (done.exit_code, done.output) == (0, "there are no tests: write some under `tests:` in pipeline.yml\n")
