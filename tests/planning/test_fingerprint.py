"""What changes a fingerprint, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]
YAML = """
version: 1
name: p
params: {least: 3, other: 1}
sources:
  s: {format: csv, path: landing, schema: "id INT, v STRING"}
flows:
  by_sql:
    inputs: [s]
    transform: {sql: "SELECT id, v FROM s WHERE id > :least"}
    expectations: {known: {expr: v IS NOT NULL, on_violation: drop}}
  by_python:
    inputs: [s]
    transform: {python: "transforms:one"}
"""
PYTHON = '''
from neighbour import scale
LIMIT = 3

def one(s):
    """Keep some."""
    return scale(s.filter(s.id < LIMIT))

def two(s):
    return s
'''
NEIGHBOUR = "def scale(s):\n    return s\n\ndef unused(s):\n    return None\n"


def digests(write: Write, yaml: str = YAML, python: str = PYTHON, neighbour: str = NEIGHBOUR) -> tuple[str, str]:
    root = write(
        {"pipelines/p/pipeline.yml": yaml, "pipelines/p/transforms.py": python, "pipelines/p/neighbour.py": neighbour}
    )
    spec = load(root / "pipelines" / "p")
    by_sql, by_python = spec.flows
    return fingerprint(spec, by_sql).digest, fingerprint(spec, by_python).digest


@pytest.mark.parametrize(
    ("old", "new", "sql", "python"),
    [
        ("id > :least", "id >= :least", True, False),
        ("SELECT id, v", "SELECT  id, /* a comment */ v", False, False),
        ("least: 3", "least: 4", True, False),
        ("other: 1", "other: 2", False, False),
        ("v IS NOT NULL", "id < :other", True, False),
        ("id > :least", "date_trunc(:least, v) > '2024'", True, False),
        ("v IS NOT NULL", "v IS NULL", True, False),
        ("on_violation: drop", "on_violation: quarantine", True, False),
        ("id INT, v STRING", "id BIGINT, v STRING", True, True),
        ("id INT, v STRING", "id  int,  v string", False, False),
        ("path: landing", "path: elsewhere", True, True),
        ("name: p\n", "name: p\ndescription: words\ntags: [t]\n", False, False),
        ("name: p\n", "name: p\nrun: {timezone: Europe/Berlin}\n", True, True),
        ("name: p\n", "name: p\nrun: {retry: {max_retries: 9}}\n", False, False),
        ("transforms:one", "transforms:two", False, True),
    ],
)  # fmt: skip
def test_an_edit_of_the_yaml_changes_just_the_flows_whose_rows_it_can_change(
    project: Write, old: str, new: str, sql: bool, python: bool
) -> None:
    assert old in YAML
    before, after = digests(project), digests(project, YAML.replace(old, new))
    assert (before[0] != after[0], before[1] != after[1]) == (sql, python)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("expectations: {known: {expr: v IS NOT NULL, on_violation: drop}}", "expectations: {known: {expr: 'id < :other'}}"),
        ("expectations: {known: {expr: v IS NOT NULL, on_violation: drop}}", "sink: {strategy: merge, keys: [id], sequence_by: v, delete_when: 'id = :other'}"),
        ("expectations: {known: {expr: v IS NOT NULL, on_violation: drop}}", "incremental: {groups: {id: 'id % :other'}}"),
    ],
    ids=["an expectation", "delete_when", "a group"],
)  # fmt: skip
def test_a_param_of_an_expression_beside_the_transform_is_a_part_of_the_flow(
    project: Write, text: str, rule: str
) -> None:
    yaml = YAML.replace(text, rule)
    before, after, unused = (
        digests(project, yaml.replace("other: 1", new)) for new in ("other: 1", "other: 2", "other: 1, more: 1")
    )
    assert before[0] != after[0]
    assert before == unused
    assert before[1] == after[1]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("LIMIT = 3", "LIMIT = 4", True),
        ("s.id < LIMIT", "s.id <= LIMIT", True),
        ('"""Keep some."""', '"""Other words."""', False),
        ("LIMIT = 3", "LIMIT = 3  # why", False),
        ("def two(s):\n    return s", "def two(s):\n    return s.limit(1)", False),
    ],
)
def test_an_edit_of_the_module_counts_where_the_function_reaches_it(
    project: Write, old: str, new: str, changes: bool
) -> None:
    assert (digests(project)[1] != digests(project, python=PYTHON.replace(old, new))[1]) == changes


def test_an_edit_of_an_imported_function_counts_and_of_its_neighbour_does_not(project: Write) -> None:
    before = digests(project)[1]
    assert digests(project, neighbour=NEIGHBOUR.replace("return s\n", "return s.distinct()\n"))[1] != before
    assert digests(project, neighbour=NEIGHBOUR.replace("return None", "return 1"))[1] == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("to_char(id, '999')", "to_char(id, '000')"),
        ("to_date(v)", "to_date(v, 'yyyy-MM-dd')"),
        ("date_format(v, 'yyyy')", "date_format(v, 'YYYY')"),
        ("percentile_cont(0.5) WITHIN GROUP (ORDER BY id)", "percentile_disc(0.5) WITHIN GROUP (ORDER BY id)"),
        ("listagg(v)", "listagg(v, ',')"),
        ("to_json(struct(v AS A))", "to_json(struct(v AS a))"),
        ("named_struct('a', v)", "named_struct('A', v)"),
        ("CAST(id AS FLOAT)", "CAST(id AS DOUBLE)"),
        ("'a  b'", "'a b'"),
        ("'select'", "'SELECT'"),
        ("`a  b`", "`a b`"),
        ("'a -- b'", "'a -- c'"),
    ],
)
def test_two_queries_that_mean_different_things_are_two(project: Write, one: str, other: str) -> None:
    """Another grammar than Spark's writes each pair alike."""
    yaml = YAML.replace("v STRING", "v STRING, `a  b` INT, `a b` INT")
    before, after = (digests(project, yaml.replace("SELECT id, v", f"SELECT {text}, v"))[0] for text in (one, other))
    assert before != after


@pytest.mark.parametrize(
    "same", ["select id, v\n  from s -- why\n  Where id > :least;", "SELECT id,v FROM s /* a */ WHERE id>:least"]
)
def test_layout_comments_and_the_case_of_keywords_are_not_the_query(project: Write, same: str) -> None:
    written = '"SELECT id, v FROM s WHERE id > :least"'
    assert written in YAML
    text = same.replace("\n", "\\n")
    assert digests(project)[0] == digests(project, YAML.replace(written, f'"{text}"'))[0]


_USED = "def g(s):\n    return s.filter('id > 1')\n"


@pytest.mark.parametrize(
    ("python", "edited", "beside"),
    [
        ("from pk import sub\ndef one(s):\n    return sub.g(s)\n", "lib/pk/sub.py", {"lib/pk/__init__.py": ""}),
        ("import pk.sub\ndef one(s):\n    return pk.sub.g(s)\n", "lib/pk/sub.py", {}),
        ("from m import *\ndef one(s):\n    return g(s)\n", "lib/m.py", {}),
        ("def one(s):\n    import m\n    return m.g(s)\n", "lib/m.py", {}),
        ("def one(s):\n    import m as q\n    return q.g(s)\n", "lib/m.py", {}),
        ("def one(s):\n    from m import g\n    return g(s)\n", "lib/m.py", {}),
        ("import m\none = m.g\n", "lib/m.py", {}),
        ("from m import g as one\n", "lib/m.py", {}),
        ("from pk import g\ndef one(s):\n    return g(s)\n", "lib/pk/m.py", {"lib/pk/__init__.py": "from .m import *\n"}),
        ("from pk.m import h\ndef one(s):\n    return h(s)\n", "lib/pk/__init__.py", {"lib/pk/m.py": "from . import g as h\n"}),
        (
            "from pk.s import m\ndef one(s):\n    return m.g(s)\n",
            "lib/pk/s/m.py",
            {"lib/pk/__init__.py": "", "lib/pk/s/__init__.py": ""},
        ),
        ("try:\n    import m\nexcept ImportError:\n    m = None\ndef one(s):\n    return m.g(s)\n", "lib/m.py", {}),
    ],
)  # fmt: skip
def test_an_edit_counts_however_the_module_is_imported(
    project: Write, python: str, edited: str, beside: Mapping[str, str]
) -> None:
    two = "\ndef two(s):\n    return s\n"
    project({edited: _USED, **beside})
    before = digests(project, python=python + two)
    project({edited: _USED.replace("1", "2")})
    after = digests(project, python=python + two)
    assert before[1] != after[1]
    assert before[0] == after[0]


def test_a_param_counts_where_another_grammar_sees_none(project: Write) -> None:
    yaml = YAML.replace("id > :least", "date_trunc(:least, v) > '2024'")
    assert digests(project, yaml)[0] != digests(project, yaml.replace("least: 3", "least: 4"))[0]
