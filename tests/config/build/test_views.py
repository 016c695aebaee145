"""A view is part of its readers: what they read then, and what cannot be said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from etl.config.load import load
from etl.config.spec import FlowSpec, PipelineSpec
from etl.config.views import readers
from etl.errors import ConfigurationError
from etl.operations.plan import plan
from etl.planning.fingerprint import fingerprint
from etl.planning.request import RunRequest
from etl.planning.sql import classify_flow

Write = Callable[[Mapping[str, str]], Path]
YAML = """\
version: 1
name: p
sources:
  orders: {format: csv, path: landing/orders, schema: "id INT, who STRING"}
  people: {format: csv, path: landing/people, schema: "who STRING, name STRING"}
flows:
  named:
    inputs: {orders: changes, people: {read: snapshot, on_change: recompute}}
    transform: {sql: "SELECT o.id, p.name FROM orders o LEFT JOIN people p ON o.who = p.who"}
    sink: {strategy: view}
    tags: [inner]
  known:
    inputs: [named]
    transform: {sql: "SELECT * FROM named WHERE name IS NOT NULL"}
    sink: {strategy: view}
  stored: {inputs: [known]}
  counted:
    inputs: {stored: changes, known: {read: snapshot, on_change: keep}}
    transform: {sql: "SELECT count(*) AS n FROM stored JOIN known USING (id)"}
"""


def loaded(write: Write, yaml: str = YAML) -> PipelineSpec:
    return load(write({"pipelines/p/pipeline.yml": yaml}) / "pipelines" / "p")


def flow(spec: PipelineSpec, name: str) -> FlowSpec:
    found = spec.flow(name)
    assert found is not None
    return found


def reads(spec: PipelineSpec, name: str) -> dict[str, tuple[str, str | None]]:
    return {item.dataset: (item.read, item.on_change) for item in flow(spec, name).inputs}


def test_a_reader_reads_what_its_views_read_and_a_view_is_no_flow(project: Write) -> None:
    spec = loaded(project)
    assert [item.name for item in spec.flows] == ["stored", "counted"]
    assert [item.name for item in spec.views] == ["named", "known"]
    assert [item.name for item in flow(spec, "stored").views] == ["named", "known"]
    assert reads(spec, "stored") == {"orders": ("changes", None), "people": ("snapshot", "recompute")}
    assert readers(spec, "named") == ("stored", "counted")


def test_a_view_that_is_read_as_a_snapshot_is_read_whole_all_the_way_down(project: Write) -> None:
    spec = loaded(project)
    assert reads(spec, "counted") == {
        "stored": ("changes", None),
        "orders": ("snapshot", "keep"),
        "people": ("snapshot", "recompute"),
    }


def test_the_kind_is_that_of_the_query_with_its_views_inside(project: Write) -> None:
    spec = loaded(project)
    decided = classify_flow(flow(spec, "stored"))
    assert decided is not None
    assert decided.kind == "rows"
    grouped = loaded(
        project,
        YAML.replace("SELECT * FROM named WHERE name IS NOT NULL", "SELECT max(id) AS id FROM named GROUP BY name"),
    )
    decided = classify_flow(flow(grouped, "stored"))
    assert decided is not None
    assert (decided.kind, decided.operator) == ("full", "GROUP BY")


def test_an_edit_of_a_view_is_an_edit_of_every_flow_that_it_is_part_of(project: Write) -> None:
    before, after = loaded(project), loaded(project, YAML.replace("LEFT JOIN people", "JOIN people"))
    for name in ("stored", "counted"):
        assert fingerprint(before, flow(before, name)).digest != fingerprint(after, flow(after, name)).digest
    same = flow(before, "stored")
    assert fingerprint(before, replace(same, description="words")).digest == fingerprint(before, same).digest


def test_a_view_has_nothing_to_run(project: Write) -> None:
    (project({"landing/orders/a.csv": "1,x\n", "landing/people/a.csv": "x,y\n"}))
    spec = loaded(project)
    for selector in ("known", "+known", "tag:inner"):
        with pytest.raises(ConfigurationError, match="nothing to run"):
            plan(spec, RunRequest(select=[selector]))
    assert [item.flow.name for item in plan(spec, RunRequest(select=["named+"])).flows] == ["stored", "counted"]
    assert [item.flow.name for item in plan(spec, RunRequest(select=["+counted"])).flows] == ["stored", "counted"]


def test_a_view_that_nobody_reads_is_said_to_be_so(project: Write) -> None:
    (project({"landing/orders/a.csv": "1,x\n", "landing/people/a.csv": "x,y\n"}))
    spec = loaded(project, YAML + "  alone: {inputs: [orders], sink: {strategy: view}}\n")
    assert "view 'alone' is read by no flow, so nothing is ever made of it" in plan(spec, RunRequest()).warnings


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("tags: [inner]", "expectations: {a: {expr: id > 0, on_violation: drop}}", "E245", "move the expectations"),
        ("tags: [inner]", "incremental: rows", "E245", "leave incremental out"),
        ("tags: [inner]", "run: {retry: {max_retries: 1}}", "E245", "never runs by itself"),
        ("sink: {strategy: view}\n    tags", "sink: {strategy: view, partition_by: [id]}\n    tags", "E245", "'partition_by' means nothing"),
        ("stored: {inputs: [known]}", "stored: {inputs: [known, orders], transform: {sql: 'SELECT known.id FROM known, orders'}, incremental: full}", "OK", ""),
        ("stored: {inputs: [known]}", "stored: {inputs: {known: changes, orders: snapshot}, transform: {sql: 'SELECT known.id FROM known, orders'}}", "E227", "reads 'orders' both as changes (in the view named) and as a snapshot"),
        ("stored: {inputs: [known]}", "stored: {inputs: {known: snapshot}}", "E202", "reads no changes"),
        ("inputs: {orders: changes,", "inputs: {known: changes, orders: changes,", "E201", "in a circle"),
        ("inputs: {orders: changes,", "inputs: {ordrs: changes,", "E200", "did you mean 'orders'?"),
        ("stored: {inputs: [known]}", "stored: {inputs: [known], incremental: rows}\n  kept: {inputs: [stored], sink: {strategy: view}}\n  late: {inputs: {orders: changes, kept: snapshot}, transform: {sql: 'SELECT orders.id FROM orders, kept'}}", "E222", "say what happens when it changes"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_view_is_told_at_its_place(
    project: Write, old: str, new: str, code: str, said: str
) -> None:
    assert YAML.count(old) == 1
    if code == "OK":
        assert [item.name for item in flow(loaded(project, YAML.replace(old, new)), "stored").reads] == [
            "known",
            "orders",
        ]
        return
    with pytest.raises(ConfigurationError) as caught:
        loaded(project, YAML.replace(old, new))
    assert any(item.code == code and said in item.render() for item in caught.value.diagnostics), str(caught.value)
