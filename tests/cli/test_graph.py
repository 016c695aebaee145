"""`etl graph`: nodes and edges are the pipeline's, in all three forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli import main
from tests.support.engine_cases import write_project

Write = Callable[[Mapping[str, str]], Path]


def etl(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.output


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_has_every_source_flow_and_edge(shop: Path) -> None:
    document = json.loads(etl("graph", "shop", "--json")[1])
    assert document == json.loads(etl("graph", "shop", "--format", "json")[1])
    assert [(node["name"], node["type"]) for node in document["nodes"]] == [
        ("orders", "source"), ("people", "source"), ("clean", "flow"), ("latest", "flow"), ("alive", "flow"), ("living", "flow"),
        ("once", "flow"), ("totals", "flow"),
    ]  # fmt: skip
    edges = {(edge["from"], edge["to"], edge["read"]) for edge in document["edges"]}
    assert edges == {
        ("orders", "clean", "changes"),
        ("people", "clean", "snapshot"),
        *(("clean", name, "changes") for name in ("latest", "alive", "living", "once", "totals")),
    }
    clean = next(node for node in document["nodes"] if node["name"] == "clean")
    assert clean == {
        "name": "clean", "type": "flow", "selected": True, "incremental": "rows", "transform": "sql", "expectations": 2, "tests": 0,
    }  # fmt: skip


def test_a_selection_draws_the_chosen_flows_and_what_they_read(shop: Path) -> None:
    document = json.loads(etl("graph", "shop", "--select", "latest", "--json")[1])
    assert {node["name"]: node["selected"] for node in document["nodes"]} == {"clean": False, "latest": True}
    assert etl("graph", "shop", "--select", "+latest")[1] == (
        "shop: 2 sources, 2 flows\n\n"
        "clean (rows)\n  <- orders  changes (source json)\n  <- people  snapshot (source csv)\n\n"
        "latest (rows, merge)\n  <- clean  changes (flow)\n"
    )


def test_mermaid_quotes_every_label_and_no_name_is_a_word_of_its_own(project: Write) -> None:
    project(
        {
            "pipelines/end.yml": """
            version: 1
            name: end
            sources:
              end: {format: csv, path: landing, schema: "a INT"}
              class: {format: csv, path: other, schema: "a INT"}
            flows:
              graph: {inputs: {end: changes, class: snapshot}, transform: {sql: "SELECT e.a FROM `end` e JOIN class c ON e.a = c.a"}}
            """
        }
    )
    code, said = etl("graph", "end", "--format", "mermaid")
    assert code == 0
    assert said.splitlines() == [
        "flowchart LR",
        '    source_end[("end<br>csv")]',
        '    source_class[("class<br>csv")]',
        '    flow_graph["graph<br>auto"]',
        "    source_end -->|changes| flow_graph",
        "    source_class -.->|snapshot| flow_graph",
    ]
    for line in said.splitlines()[1:]:
        assert re.fullmatch(
            r'    \w+(\[\("[\w<>, ]+"\)\]|\["[\w<>, ]+"\]| -\.?-+> ?\|\w+\| \w+| -\.->\|\w+\| \w+)', line
        ), line


def test_a_source_that_nobody_reads_is_told(project: Write) -> None:
    project(
        {
            "pipelines/one.yml": """
            version: 1
            name: one
            sources:
              read: {format: csv, path: landing, schema: "a INT"}
              unread: {format: csv, path: other, schema: "a INT"}
            flows:
              copied: {inputs: [read]}
            """
        }
    )
    assert etl("graph", "one")[1].endswith("\nread by no flow: unread\n")


def test_wrong_usage_exits_2(shop: Path) -> None:
    assert etl("graph", "shop", "--select", "nothing")[0] == 2
    code, said = etl("graph", "shop", "--json", "--format", "mermaid")
    assert code == 2
    assert "contradict each other" in said


def test_a_view_stands_between_what_it_reads_and_what_it_is_part_of(project: Write) -> None:
    project(
        {
            "pipelines/shop.yml": """
            version: 1
            name: shop
            sources:
              orders: {format: csv, path: landing, schema: "a INT, b INT"}
            flows:
              large: {inputs: [orders], transform: {sql: "SELECT a FROM orders WHERE b > 9"}, sink: {strategy: view}}
              kept: {inputs: [large], incremental: rows}
            """
        }
    )
    document = json.loads(etl("graph", "shop", "--json")[1])
    assert [(node["name"], node["type"]) for node in document["nodes"]] == [
        ("orders", "source"), ("large", "view"), ("kept", "flow"),
    ]  # fmt: skip
    assert [(edge["from"], edge["to"]) for edge in document["edges"]] == [("orders", "large"), ("large", "kept")]
    assert '    view_large(["large"])' in etl("graph", "shop", "--format", "mermaid")[1]
    assert etl("graph", "shop")[1].splitlines()[2:] == [
        "large (view)", "  <- orders  changes (source csv)", "", "kept (rows)", "  <- large  changes (view)",
    ]  # fmt: skip
