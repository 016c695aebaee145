"""The same mistake in SQL is told at the same place, however the SQL stands in the YAML: by validate, by the plan and by Spark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etl.config.diagnostics import Location
from etl.config.document.text_places import places
from etl.config.load import load
from etl.config.spec import SqlTransform
from etl.config.sql.locations import place_in_error, place_of
from etl.errors import ConfigurationError
from etl.planning.sql import classify_flow

Write = Callable[[Mapping[str, str]], Path]
HEAD = """\
version: 1
name: p
x-shared:
  query: &query "SELECT k, sum(id) AS n\\n FROM src"
sources:
  src: {format: json, path: in, schema: "id INT, k STRING"}
flows:
  f:
    inputs: [src]
"""
STYLES = {
    "plain": "    transform: {sql: SELECT sum(id) AS n FROM src}\n",
    "plain over lines": "    transform:\n      sql: SELECT k, sum(id) AS n\n        FROM src\n\n       \n",
    "in single quotes": "    transform: {sql: 'SELECT ''it''''s'' AS s, k, sum(id) AS n FROM src'}\n",
    "in double quotes": '    transform: {sql: "SELECT \\"it\\\\u0027s\\" AS s, \\x6b,\\t sum(id) AS n\\nFROM src"}\n',
    "in double quotes over lines": '    transform:\n      sql: "SELECT k, \\\n        sum(id) AS n\n\n        FROM src"\n',
    "literal": "    transform:\n      sql: |\n        SELECT k,\n            sum(id) AS n\n        FROM src\n",
    "literal, stripped and indented": "    transform:\n      sql: |2-  # why\n          SELECT k,\n\n          sum(id) AS n FROM src\n",
    "folded": "    transform:\n      sql: >\n        SELECT k,\n        sum(id) AS n\n\n        FROM src\n         \n",
    "folded and kept": "    transform:\n      sql: >+\n\n        SELECT k, sum(id) AS n\n        FROM src\n\n",
    "anchored": "    transform:\n      sql: &mine |\n        SELECT k, sum(id) AS n FROM src\n",
    "an alias": "    transform: {sql: *query}\n",
    "on the line below its key": "    transform:\n      sql:\n        'SELECT k, sum(id) AS n FROM src'\n",
    "in a file": "    transform: {sql_file: q.sql}\n",
}  # fmt: skip
FILE = "-- counts\nSELECT k,\n  sum(id) AS n\nFROM src\n"


def written(root: Path, where: str, word: str, style: str) -> tuple[int, int]:
    """The line and the column at which a file says a word."""
    for number, line in enumerate((root / "pipelines" / "p" / where).read_text(encoding="utf-8").split("\n"), 1):
        if (found := re.search(rf"\b{word}\b", line)) is not None and ("&query" not in line or style == "an alias"):
            return number, found.start() + 1
    raise AssertionError(where)


@pytest.mark.parametrize("style", STYLES)
def test_validate_the_plan_and_spark_tell_one_place(style: str, project: Write) -> None:
    text = HEAD + (STYLES[style])
    files = {"pipelines/p/pipeline.yml": text, "pipelines/p/q.sql": FILE, "in/.keep": ""}
    root = project(files)
    where = "q.sql" if style == "in a file" else "pipeline.yml"
    flow = load(root / "pipelines" / "p").flows[0]
    assert isinstance(flow.transform, SqlTransform)
    decided = classify_flow(flow)
    assert decided is not None
    place = written(root, where, "sum", style)
    assert (decided.at.line, decided.at.column) == place, "what the plan says"
    assert (at := place_of(flow, r"\b(sum)\b")).text.count("sum") == 1
    assert (at.line, at.column) == place, "what Spark's plan is judged by"
    before = flow.transform.text.split("sum")[0]
    line, column = before.count("\n") + 1, len(before.rsplit("\n", 1)[-1])
    told = f"[UNRESOLVED_ROUTINE] Cannot resolve routine `sum`. SQLSTATE: 42883; line {line} pos {column};"
    assert (spark := place_in_error(flow, told)) is not None
    assert (spark.line, spark.column) == place, "what Spark says itself"
    broken = {name: item.replace("FROM src", "FROM srcc") for name, item in files.items()}
    with pytest.raises(ConfigurationError) as raised:
        load(project(broken) / "pipelines" / "p")
    (mistake,) = (item for item in raised.value.diagnostics if item.code == "E302")
    assert (mistake.at.line, mistake.at.column) == written(root, where, "srcc", style), "what validate says"


@pytest.mark.property
@given(
    text=st.text(alphabet="ab:,\"'\\ \n\té", min_size=1, max_size=30),
    style=st.sampled_from(["'", '"', "|", ">", None]),
    width=st.sampled_from([10, 80]),
)
def test_each_letter_stands_where_its_place_says(text: str, style: str | None, width: int) -> None:
    file = yaml.safe_dump({"sql": text, "z": 1}, default_style=style, width=width, allow_unicode=True)
    ((_, node), _) = yaml.compose(file, Loader=yaml.SafeLoader).value
    mark, lines = node.start_mark, file.split("\n")
    found = places("f", lines, Location("f", mark.line + 1, mark.column + 1), node.value)
    assert node.value == text
    if not text.strip():
        assert found is None
        return
    assert found is not None
    for offset, letter in enumerate(text):
        if not letter.isspace():
            at = found.at(offset)
            said = lines[at.line - 1][at.column - 1 :]
            assert said.startswith(letter) or (letter == '"' and said.startswith('\\"')), (offset, letter, said)
