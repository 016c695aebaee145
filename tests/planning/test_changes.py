"""What a plan says of an edit: which column, which clause, which setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.planning.changes import changes, query_changes
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SELECT k, sum(price) AS total FROM s GROUP BY k", "SELECT k, sum(price * qty) AS total FROM s GROUP BY k", ["column total: SUM(price) → SUM(price * qty)"]),
        ("SELECT a FROM s", "SELECT a, b + 1 AS c FROM s", ["column c added: b + 1"]),
        ("SELECT a, b FROM s", "SELECT a FROM s", ["column b removed: b"]),
        ("SELECT a, b FROM s", "SELECT b, a FROM s", ["the order of the columns"]),
        ("SELECT a FROM s", "SELECT a FROM s WHERE a > 1", ["WHERE added: a > 1"]),
        ("SELECT a FROM s WHERE a > 1", "SELECT a FROM s", ["WHERE removed: a > 1"]),
        ("SELECT a FROM s WHERE a > 1", "SELECT a FROM s WHERE a > 2", ["WHERE: a > 1 → a > 2"]),
        ("SELECT a FROM s", "SELECT DISTINCT a FROM s", ["DISTINCT added: DISTINCT"]),
        ("SELECT a FROM s JOIN t ON s.x = t.x", "SELECT a FROM s LEFT JOIN t ON s.x = t.x", ["JOIN: JOIN t ON s.x = t.x → LEFT JOIN t ON s.x = t.x"]),
        ("SELECT a FROM s GROUP BY a", "SELECT a FROM s GROUP BY a, b", ["GROUP BY: a → a, b"]),
        ("SELECT a FROM s", "SELECT a FROM t", ["FROM: s → t"]),
        ("WITH x AS (SELECT a FROM s) SELECT a FROM x", "WITH x AS (SELECT a FROM s WHERE a > 1) SELECT a FROM x", ["WITH x: WHERE added: a > 1"]),
        ("SELECT a FROM s UNION ALL SELECT a FROM t", "SELECT a FROM s UNION ALL SELECT a + 1 AS a FROM t", ["second query: column a: a → a + 1"]),
        ("SELECT a FROM s LIMIT 5", "SELECT a FROM s LIMIT 6", ["LIMIT: 5 → 6"]),
        ("SELECT a FROM s UNION SELECT a FROM t", "SELECT a FROM s UNION ALL SELECT a FROM t", ["UNION → UNION ALL"]),
        ("SELECT a FROM s UNION SELECT a FROM t", "SELECT a FROM s UNION SELECT a FROM t LIMIT 3", ["LIMIT added: 3"]),
        ("SELECT `a` FROM s", "SELECT a FROM s", ["column a: `a` → a"]),
        ("SELECT FROM", "SELECT a FROM s", ["the SQL changed"]),
    ],
)  # fmt: skip
def test_a_query_that_was_edited_is_told_by_its_columns_and_clauses(old: str, new: str, told: list[str]) -> None:
    assert query_changes(old, new) == told
    assert query_changes(new, old) != []


def test_of_a_long_expression_only_what_differs_is_told() -> None:
    long = (
        "CASE WHEN alpha > 1 THEN beta * gamma WHEN alpha > 2 THEN delta / {} ELSE coalesce(epsilon, zeta, 0) END AS c"
    )
    (told,) = query_changes(f"SELECT {long.format('eta')} FROM s", f"SELECT {long.format('theta')} FROM s")
    assert told == "column c: eta → theta" or ("eta" in told and "theta" in told and "alpha" not in told), told


YAML = """
version: 1
name: p
params: {least: {type: int, default: 3}, secret: "${env:P_SECRET}"}
sources:
  s: {format: csv, path: landing, schema: "id INT, v STRING", options: {sep: ","}}
  w: {format: csv, path: "w/${env:P_SECRET}", schema: "id INT, x STRING"}
flows:
  f:
    inputs: {s: changes, w: {read: snapshot, on_change: recompute}}
    transform: {sql: "SELECT s.id, s.v, :secret AS x FROM s JOIN w ON s.id = w.id WHERE s.id > :least"}
    expectations: {known: {expr: v IS NOT NULL, on_violation: drop}}
    sink: {strategy: merge, keys: [id], sequence_by: v}
"""


def definition(write: Write, yaml: str) -> dict[str, object]:
    spec = load(write({"pipelines/p.yml": yaml}) / "pipelines/p.yml")
    return dict(fingerprint(spec, spec.flows[0]).definition)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("default: 3", "default: 4", ["param least: 3 → 4"]),
        ("{read: snapshot, on_change: recompute}", "{read: snapshot, on_change: keep}", ["input w: read snapshot, on_change: recompute → snapshot, on_change: keep"]),
        ("keys: [id]", "keys: [id, v]", ["sink keys: id → id, v"]),
        ("sequence_by: v", "insert_only: true", ["sink insert_only: false → true", "sink sequence_by removed"]),
        ("on_violation: drop}", "on_violation: warn}", ["expectation known: v IS NOT NULL (drop) → v IS NOT NULL (warn)"]),
        ("{known: {", "{other: {expr: id > 1, on_violation: warn}, known: {", ["expectation other added: id > 1 (warn)"]),
        ("id INT, v STRING", "id BIGINT, v STRING, n INT", ["source s: column id: int → bigint", "source s: column n added: int"]),
        ("path: landing", "path: elsewhere", ["source s: path: "]),
        ("{sep: ','}".replace("'", '"'), '{sep: ";"}', ["source s: options: "]),
        ("    sink:", "    incremental: rows\n    sink:", ["incremental: auto → rows"]),
        ("    sink:", "    primary_key: [id]\n    sink:", ["primary key added: id"]),
        ("    sink:", "    run: {timezone: Europe/Berlin}\n    sink:", ["timezone: UTC → Europe/Berlin"]),
    ],
)  # fmt: skip
def test_a_definition_that_was_edited_is_told_setting_by_setting(
    project: Write, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: list[str]
) -> None:
    monkeypatch.setenv("P_SECRET", "hunter2-and-more")
    assert YAML.count(old) == 1
    before = definition(project, YAML)
    found = changes(before, definition(project, YAML.replace(old, new)))
    assert len(found) == len(told), found
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True)), found
    assert changes(before, before) == ()


def test_groups_and_watermarks_are_told_in_words() -> None:
    groups = ["groups", [["k", [["s", "lower(k) IS NULL"]]]], False]
    state = ["state", [["s", "at", 60000]], "append"]
    assert changes({"incremental": groups}, {"incremental": state}) == (
        "incremental: groups (k by lower(k)) → state (s.at within 60000 ms, append)",
    )


def test_a_definition_holds_no_secret(project: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P_SECRET", "hunter2-and-more")
    text = json.dumps(definition(project, YAML))
    assert "hunter2" not in text
    assert "${env:P_SECRET}" in text


def test_at_most_a_dozen_are_told() -> None:
    before = {f"param {number}": 1 for number in range(20)}
    assert changes(before, dict.fromkeys(before, 2))[-1] == "and 8 more"
