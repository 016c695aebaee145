"""`was`: a renamed flow is the same flow in storage, and to those who read it; what would make it two flows is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.sql.syntax import with_tables_renamed
from etl.engine.storage.layout import FlowPaths
from etl.errors import ConfigurationError
from etl.operations.plan import plan
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.request import RunRequest

Write = Callable[[Mapping[str, str]], Path]
YAML = """
version: 1
name: p
sources:
  s: {format: csv, path: landing, schema: "id INT, v STRING, at TIMESTAMP"}
flows:
  FLOW:
    inputs: [s]WAS
  view_of: {inputs: [FLOW], transform: {sql: "SELECT FLOW.id, v, at FROM FLOW"}, sink: {strategy: view}}
  by_sql:
    inputs: [FLOW, s]
    transform: {sql: "SELECT FLOW.id, count(*) AS n FROM FLOW JOIN s ON s.id = `FLOW`.id GROUP BY FLOW.id"}
    incremental: {groups: {id: {FLOW: id, s: id}}}
  by_state:
    inputs: [FLOW]
    transform: {sql: "SELECT window(at, '1 hour').start AS at, count(*) AS n FROM FLOW GROUP BY window(at, '1 hour')"}
    incremental: {state: {watermark: at, delay: 1 hour}}
  by_view: {inputs: [view_of]}
  by_python:
    inputs: [FLOW]
    transform: {python: "transforms:kept"}
"""
PYTHON = "def kept(FLOW):\n    return FLOW.filter(FLOW.id > 1)\n"
LINKED = """
version: 1
name: reader
sources: {far: {pipeline: p, flow: FLOW}}
flows: {copied: {inputs: [far]}}
"""


def written(write: Write, flow: str, was: str = "", yaml: str = YAML) -> Path:
    line = f"\n    was: {was}" if was else ""
    return write(
        {
            "pipelines/p/pipeline.yml": yaml.replace("FLOW", flow).replace("WAS", line),
            "pipelines/p/transforms.py": PYTHON.replace("FLOW", flow),
            "pipelines/reader.yml": LINKED.replace("FLOW", flow),
        }
    )


def digests(root: Path) -> dict[str, str]:
    found = {}
    for name in ("p", "reader"):
        spec = load(root / "pipelines" / name)
        found |= {flow.stored_as: fingerprint(spec, flow).digest for flow in spec.flows}
    return found


def test_a_rename_changes_no_fingerprint_neither_the_flow_s_nor_a_reader_s(project: Write) -> None:
    before = digests(written(project, "old"))
    renamed = digests(written(project, "new_name", "old"))
    assert renamed == before
    assert len(renamed) == 6
    assert digests(written(project, "newest", "old")) == before, "and the next rename does not, either"
    without = digests(written(project, "new_name"))
    assert {name for name in before if without.get(name) != before[name]} == {*before} - {"new_name"}


def test_a_rename_moves_nothing(project: Write) -> None:
    before = load(written(project, "old") / "pipelines/p")
    paths = FlowPaths.of(before, before.flows[0])
    root = written(project, "new_name", "old")
    spec = load(root / "pipelines/p")
    assert FlowPaths.of(spec, spec.flows[0]) == paths
    assert load(root / "pipelines/reader").sources[0].path == paths.target
    assert Graph.of(spec).parents["by_sql"] == ("new_name",), "people choose and see it by its new name"
    assert plan(spec, RunRequest(select=["new_name+"])).flows[0].flow.name == "new_name"


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("SELECT b.x FROM b", "SELECT a.x FROM a"),
        ("SELECT B.x FROM `b`", "SELECT a.x FROM `a`"),
        ("SELECT b.x, b FROM b", None),  # a column has the name, too
        ("WITH b AS (SELECT * FROM b) SELECT * FROM b", None),
        ("SELECT a FROM b", None),  # the former name means a column
        ("SELECT c.x FROM b AS c", "SELECT c.x FROM a AS c"),
        ("SELECT * FROM db.b", None),
        ("SELECT 'b' AS x FROM b", None),  # a text that only looks like it: rather a rebuild than a doubt
        ("SELECT FROM WHERE b", None),
    ],
)
def test_a_query_is_renamed_only_where_the_names_mean_one_thing(text: str, renamed: str | None) -> None:
    assert with_tables_renamed(text, {"b": "a"}) == (renamed or text)


def test_a_function_is_renamed_only_where_the_former_name_is_free(project: Write) -> None:
    before = digests(written(project, "old"))["by_python"]
    root = written(project, "new_name", "old")
    body = "def kept(new_name):\n    old = new_name\n    return old.filter(new_name.id > 1)\n"
    (root / "pipelines/p/transforms.py").write_text(body, encoding="utf-8")
    assert digests(root)["by_python"] != before


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("WAS", "\n    was: by_view", "E119", 9, "keeps the tables of 'by_view', and a flow of that name is there as well"),
        ("WAS", "\n    was: s", "E119", 9, "a source has that name"),
        ("WAS", "\n    was: new_name", "E119", 9, "says that it was called as it is called"),
        ("by_view: {inputs: [view_of]}", "by_view: {inputs: [view_of], was: old}", "E119", 19, "so does flow 'new_name'"),
        ("by_view: {inputs: [view_of]}", "old: {inputs: [view_of], enabled: false}", "E119", 9, "a flow of that name"),
        ("sink: {strategy: view}", "sink: {strategy: view}, was: before", "E245", 10, "is a view"),
        ("WAS", "\n    was: Old-Name", "E107", 9, "name"),
        ("WAS", "\n    was: [old, older]", "E105", 9, "text"),
    ],
)  # fmt: skip
def test_what_would_make_two_of_one_is_refused_at_its_place(
    project: Write, old: str, new: str, code: str, line: int, said: str
) -> None:
    assert YAML.count(old) == 1
    root = written(project, "new_name", "old", YAML.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load(root / "pipelines/p")
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, mistake.at.line) == (code, line)  # type: ignore[union-attr]  # it has a place
    assert said in str(caught.value)


def test_a_link_by_the_old_name_is_told_the_new_one(project: Write) -> None:
    root = written(project, "new_name", "old")
    (root / "pipelines/reader.yml").write_text(LINKED.replace("FLOW", "old"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="pipeline 'p' has no flow 'old': it is called 'new_name' now"):
        load(root / "pipelines/reader")


def test_a_name_under_which_nothing_is_stored_is_warned_of(project: Write) -> None:
    root = written(project, "new_name", "old")
    (root / "landing").mkdir()
    warnings = plan(load(root / "pipelines/p"), RunRequest(select=["new_name"])).warnings
    assert any("was: old keeps nothing, since nothing is stored under that name" in text for text in warnings)
