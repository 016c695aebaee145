"""`for_each`: what it makes, what the parts of what it made know each other by, and its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.spec import PipelineSpec
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint
from etl.planning.graph import Graph
from etl.planning.selectors import select
from etl.planning.sql import classify

Write = Callable[[Mapping[str, str]], Path]

YAML = """\
version: 1
name: p
params: {root: landing}
sources:
  orders:
    for_each: {region: [eu, us]}
    format: csv
    path: ${root}/${region}
    schema: "id INT"
  people: {format: csv, path: people, schema: "who STRING"}
flows:
  clean:
    for_each: {region: [eu, us], year: [2023, 2024]}
    inputs: {orders: changes, people: snapshot}
    transform: {sql: "SELECT id, :region AS region, :year AS year FROM orders JOIN people"}
    tags: ["${region}"]
  all:
    inputs: {clean_eu_2023: changes, orders_us: changes}
    transform: {sql: "SELECT id FROM clean_eu_2023 UNION ALL SELECT id FROM orders_us"}
"""


def loaded(project: Write, yaml: str = YAML) -> PipelineSpec:
    return load(project({"pipelines/p.yml": yaml}) / "pipelines" / "p.yml")


def test_several_variables_make_their_product(project: Write) -> None:
    spec = loaded(project)
    assert [item.name for item in spec.sources] == ["orders_eu", "orders_us", "people"]
    assert [item.name for item in spec.flows] == [
        "clean_eu_2023", "clean_eu_2024", "clean_us_2023", "clean_us_2024", "all",
    ]  # fmt: skip
    assert spec.sources[1].path.endswith("/landing/us")
    assert spec.flows[3].tags == ("us",)


def test_an_input_means_the_instance_of_the_same_values_under_the_name_that_was_written(project: Write) -> None:
    flow = loaded(project).flows[2]
    assert [(item.dataset, item.name, item.read) for item in flow.inputs] == [
        ("orders_us", "orders", "changes"),
        ("people", "people", "snapshot"),
    ]
    assert classify(flow.transform, flow.inputs).kind == "rows"  # type: ignore[arg-type]  # it is SQL


def test_sql_sees_a_variable_as_a_typed_marker_and_a_fingerprint_as_a_param(project: Write) -> None:
    spec = loaded(project)
    assert spec.params_of(spec.flows[3]) == {"root": "landing", "region": "us", "year": 2024}
    one, other = (fingerprint(spec, flow) for flow in spec.flows[:2])
    assert one.changed(other.parts) == ("param year",)


def test_selecting_the_written_name_selects_all_that_it_makes(project: Write) -> None:
    spec = loaded(project)
    graph = Graph.of(spec)
    assert select(graph, spec, ["clean"], []) == tuple(flow.name for flow in spec.flows[:4])
    assert select(graph, spec, ["clean+"], ["clean_us_2023"]) == (
        "clean_eu_2023",
        "clean_eu_2024",
        "clean_us_2024",
        "all",
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "said"),
    [
        ("{region: [eu, us]}\n    format", "{region: []}\n    format", "E113", 6, "'region' has no values"),
        ("{region: [eu, us]}\n    format", "{region: [eu, eu]}\n    format", "E113", 6, "'region' has 'eu' twice"),
        ("{region: [eu, us]}\n    format", "{region: [eu, U-S]}\n    format", "E113", 6, "'U-S' makes no valid name"),
        ("{region: [eu, us]}\n    format", "{Region: [eu, us]}\n    format", "E107", 6, "'Region' is no name"),
        ("{region: [eu, us]}\n    format", "{root: [eu, us]}\n    format", "E119", 6, "a param and a variable"),
        ("{region: [eu, us]}\n    format", "[eu, us]\n    format", "E113", 6, "for_each takes variables"),
        ("{region: [eu, us]}\n    format", "{region: [eu, '${env:HOME}']}\n    format", "E113", 6, "is a secret"),
        ("  people:", "  orders_us: {format: csv, path: x, schema: 'a INT'}\n  people:", "E119", 6, "makes 'orders_us'"),
        ("year: [2023, 2024]}", "yaer: [2023, 2024]}", "E303", 15, "did you mean 'yaer'?"),
        (":region AS", "${region} AS", "E305", 15, "does not reach SQL"),
        ("{clean_eu_2023: changes, orders_us", "{clean_eu_2023: changes, orders", "E200", 18, "orders_eu, orders_us"),
        ("    format: csv", "    format: cvs", "E121", 7, "did you mean 'csv'?"),
        ("${root}/${region}", "${root}/${regoin}", "E110", 8, "there is no param 'regoin'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_at_its_line(
    project: Write, old: str, new: str, code: str, line: int, said: str
) -> None:
    assert YAML.count(old) == 1
    with pytest.raises(ConfigurationError) as raised:
        loaded(project, YAML.replace(old, new))
    found = [item for item in raised.value.diagnostics if item.code == code and said in item.render()]
    assert [item.at.line for item in found] == [line], str(raised.value)
