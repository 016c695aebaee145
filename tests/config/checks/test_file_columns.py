"""`_metadata` in SQL: no `*` shows it, and what would show it without a `*` is refused."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from etl.config.checks.file_columns import Shown, hiding
from etl.config.load import load
from etl.errors import ConfigurationError

TOLD = frozenset({"src", "other"})


@pytest.mark.parametrize(
    ("written", "run"),
    [
        ("SELECT id, _metadata.file_path FROM src", "SELECT id, _metadata.file_path FROM src"),
        ("SELECT *, _metadata.file_path AS f FROM src", "SELECT * EXCEPT (`src`._metadata), _metadata.file_path AS f FROM src"),
        ("SELECT s.*, s._metadata.file_name FROM Src AS s", "SELECT s.* EXCEPT (`s`._metadata), s._metadata.file_name FROM Src AS s"),
        ("SELECT * EXCEPT (v), _metadata.file_size FROM src", "SELECT * EXCEPT (v, `src`._metadata), _metadata.file_size FROM src"),
        ("SELECT a.*, b.*, a._metadata.file_name AS f FROM src a JOIN t b ON a.id = b.id", "SELECT a.* EXCEPT (`a`._metadata), b.*, a._metadata.file_name AS f FROM src a JOIN t b ON a.id = b.id"),
        ("SELECT *, a._metadata.file_name f FROM src a, other b", "SELECT * EXCEPT (`a`._metadata, `b`._metadata), a._metadata.file_name f FROM src a, other b"),
        ("WITH c AS (SELECT *, _metadata.file_name AS f FROM src) SELECT * FROM c", "WITH c AS (SELECT * EXCEPT (`src`._metadata), _metadata.file_name AS f FROM src) SELECT * FROM c"),
        ("WITH src AS (SELECT * FROM src WHERE _metadata.file_size > 1) SELECT * FROM src", "WITH src AS (SELECT * EXCEPT (`src`._metadata) FROM src WHERE _metadata.file_size > 1) SELECT * FROM src"),
        ("SELECT count(*), max(_metadata.file_size) FROM src", "SELECT count(*), max(_metadata.file_size) FROM src"),
        ("SELECT to_json(struct(*)) AS j, id * 2 AS n, '*' AS s, _metadata.file_name FROM src -- *", "SELECT to_json(struct(* EXCEPT (`src`._metadata))) AS j, id * 2 AS n, '*' AS s, _metadata.file_name FROM src -- *"),
        ("SELECT f, window(at, '1 hour').start AS w FROM (SELECT *, _metadata.file_name AS f FROM src) GROUP BY f, window(at, '1 hour')", "SELECT f, window(at, '1 hour').start AS w FROM (SELECT * EXCEPT (`src`._metadata), _metadata.file_name AS f FROM src) GROUP BY f, window(at, '1 hour')"),
        ("SELECT id, _metadata.file_name FROM src UNION ALL SELECT * FROM t", "SELECT id, _metadata.file_name FROM src UNION ALL SELECT * FROM t"),
    ],
)  # fmt: skip
def test_every_star_over_files_leaves_it_out(written: str, run: str) -> None:
    assert hiding(written, TOLD) == run


@pytest.mark.parametrize(
    "text",
    [
        "FROM src |> WHERE _metadata.file_size > 1",
        "SELECT * FROM src PIVOT (max(_metadata.file_size) FOR id IN (1, 2))",
        "SELECT *, a._metadata.file_name FROM src a NATURAL JOIN other b",
    ],
)
def test_what_shows_it_without_a_star_is_refused(text: str) -> None:
    with pytest.raises(Shown):
        hiding(text, TOLD)


HEAD = """
version: 1
name: p
sources:
  src: {format: csv, path: in, schema: "id INT"}
  ticks: {format: rate}
  own: {format: json, path: own, schema: "id INT, _metadata STRUCT<file_path: STRING>"}
  stored: {format: delta, path: stored}
flows:
  f: {inputs: [INPUT], transform: {sql: "SQL"}}
"""


@pytest.mark.parametrize(
    ("name", "sql", "code"),
    [
        ("src", "SELECT *, _metadata.file_path, `_metadata`.file_modification_time AS at FROM src", ""),
        ("own", "SELECT *, _metadata.file_path FROM own", ""),
        ("stored", "SELECT *, _metadata.file_path FROM stored", ""),
        ("ticks", "SELECT value, _metadata.file_path FROM ticks", "E185"),
        ("src", "SELECT '_metadata.nothing' AS t, _metadata.nothing FROM src", "E186"),
        ("src", "SELECT _metadata.file_block_start FROM src", "E262"),
        ("src", "FROM src |> WHERE _metadata.file_size > 1", "E187"),
    ],
)
def test_validate_knows_which_inputs_have_it_and_what_it_tells(tmp_path: Path, name: str, sql: str, code: str) -> None:
    (tmp_path / "pipelines").mkdir()
    file = tmp_path / "pipelines" / "p.yml"
    file.write_text(textwrap.dedent(HEAD).replace("INPUT", name).replace("SQL", sql), encoding="utf-8")
    try:
        load(file)
        found = ""
    except ConfigurationError as cause:
        found = " ".join(item.code for item in cause.diagnostics)
    assert found == code
