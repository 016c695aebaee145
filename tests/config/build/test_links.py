"""Another pipeline's target as a source: where it lies, and what is said where that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.load import load
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]

FLIGHTS = """\
version: 1
name: flights
defaults: {source: {format: csv, options: {header: true}}}
sources:
  planes: {pipeline: registry, flow: planes}
  raw: {path: landing, schema: "tail STRING"}
flows:
  clean:
    inputs: {raw: changes, planes: snapshot}
    transform: {sql: "SELECT raw.tail FROM raw JOIN planes ON raw.tail = planes.tail"}
  copied: {inputs: [planes]}
"""
REGISTRY = """\
version: 1
name: registry_of_all
sources: {s: {format: csv, path: landing/planes, schema: "tail STRING, seq INT"}}
flows:
  planes: {inputs: [s], sink: {path: shared/planes}}
  off: {inputs: [s], enabled: false}
  by_tail: {inputs: [s], incremental: rows, sink: {strategy: merge, keys: tail, sequence_by: seq}}
"""


def write(project: Write, flights: str = FLIGHTS, registry: str = REGISTRY) -> Path:
    return project(
        {
            "pipelines/flights/pipeline.yml": flights,
            "pipelines/registry.yml": registry,
            "conf/prod.yml": "storage: ./of-prod\n",
        }
    )


def mistake(project: Write, flights: str = FLIGHTS, registry: str = REGISTRY) -> str:
    write(project, flights, registry)
    with pytest.raises(ConfigurationError) as raised:
        load("flights")
    return str(raised.value)


def test_a_flow_of_another_pipeline_is_the_table_that_it_writes_in_the_same_environment(project: Write) -> None:
    root = write(project)
    for environment, storage in (("local", ".etl/local"), ("prod", "of-prod")):
        spec = load("flights", environment=environment)
        source = spec.sources[0]
        assert (source.format, source.path, source.options) == ("delta", str(root / storage / "shared/planes"), ())
    moved = load("flights")
    assert fingerprint(moved, moved.flows[0]) == fingerprint(spec, spec.flows[0])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pipeline: registry,", "pipeline: registri,", "pipeline.yml:5:22 [E211] source 'planes': there is no pipeline 'registri'"),
        ("flow: planes}", "flow: plane}", "pipeline.yml:5:38 [E211] pipeline 'registry' has no flow 'plane'"),
        ("flow: planes}", "flow: off}", "pipeline.yml:5:38 [E210] source 'planes' reads the flow 'off' of pipeline 'registry'"),
        ("pipeline: registry,", "pipeline: flights,", "pipeline.yml:5:22 [E211] source 'planes' names a flow of its own"),
        ("flow: planes}", "flow: planes, path: x}", "pipeline.yml:5:46 [E205] source 'planes' is another pipeline's target"),
        (", flow: planes}", "}", "pipeline.yml:5:3 [E104] 'flow' is missing in source 'planes'"),
        ("copied: {inputs: [planes]}", "copied: {inputs: [planes], incremental: row}", "did you mean 'rows'?"),
        ("defaults: {source: {format: csv, ", "defaults: {source: {", "pipeline.yml:6:3 [E104] 'format' is missing in source 'raw'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(project: Write, old: str, new: str, said: str) -> None:
    assert FLIGHTS.count(old) == 1
    assert said in mistake(project, FLIGHTS.replace(old, new))


def test_the_other_pipeline_s_mistakes_are_told_as_its_own(project: Write) -> None:
    told = mistake(project, FLIGHTS.replace("raw.tail FROM", "raw.tail FRM"), REGISTRY.replace("keys: tail, ", ""))
    assert "pipelines/registry.yml:7:45 [E231] flow 'by_tail': a merge needs keys" in told
    assert "pipelines/flights/pipeline.yml:10:" in told


def test_the_changes_of_a_target_whose_rows_are_replaced_are_refused_as_those_of_an_own_flow(project: Write) -> None:
    yaml = FLIGHTS.replace("flow: planes}", "flow: by_tail}").replace("[planes]}", "[planes], incremental: rows}")
    assert (
        "11:12 [E241] flow 'copied' appends, but 'planes', whose changes it reads, also changes and deletes rows"
        in mistake(project, yaml)
    )


def test_pipelines_may_read_each_other_but_not_in_a_circle_of_flows(project: Write) -> None:
    mutual = REGISTRY.replace("sources: {", "sources: {raws: {pipeline: flights, flow: copied}, ")
    write(project, registry=mutual + "  seen: {inputs: [raws]}\n")
    assert [item.name for item in load("flights").sources] == ["planes", "raw"]
    assert [item.name for item in load("registry").sources] == ["raws", "s"]
    told = mistake(project, registry=mutual.replace("planes: {inputs: [s],", "planes: {inputs: [raws],"))
    assert (
        "pipeline.yml:11:3 [E201] flows depend on each other in a circle: "
        "flights.copied reads registry_of_all.planes reads flights.copied"
    ) in told
    assert told.count("E201") == 1
