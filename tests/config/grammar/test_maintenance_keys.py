"""`maintenance:` of a flow, and of all of them: what it takes, what is wrong with it and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from etl.config.grammar.json_schema import SCHEMAS
from etl.config.grammar.values import share, size
from etl.config.load import load
from etl.config.spec import MaintenanceSpec, PipelineSpec
from etl.errors import ConfigurationError
from etl.planning.fingerprint import fingerprint

Write = Callable[[Mapping[str, str]], Path]
PIPELINE = """version: 1
name: p
{defaults}sources: {{a: {{format: json, path: landing, schema: "id INT"}}}}
flows:
  one:
    inputs: [a]
{one}  two:
    inputs: [a]
    sink: {{properties: {{delta.logRetentionDuration: {log}}}}}
"""


def loaded(project: Write, one: str = "", defaults: str = "", log: str = "interval 30 days") -> PipelineSpec:
    text = PIPELINE.format(
        one=f"    maintenance: {one}\n" if one else "", defaults=f"defaults: {defaults}\n" if defaults else "", log=log
    )
    return load(project({"pipelines/p.yml": text}) / "pipelines" / "p.yml")


def refused(project: Write, **said: str) -> list[str]:
    with pytest.raises(ConfigurationError) as cause:
        loaded(project, **said)
    return [f"{item.code} {item.at.line}:{item.at.column} {item.message}" for item in cause.value.diagnostics]


def test_a_flow_says_it_for_itself_and_defaults_for_all_key_by_key(project: Write) -> None:
    assert loaded(project).flows[0].maintenance == MaintenanceSpec(
        auto=False, target_file_size=2**27, keep=7 * 86400, budget=0.1
    )
    spec = loaded(
        project,
        "{auto: true, budget: 2.5%}",
        "{maintenance: {keep: 2 days, target_file_size: 64 MB}, flow: {maintenance: {keep: 1 day}}}",
    )
    assert spec.flows[0].maintenance == MaintenanceSpec(auto=True, target_file_size=2**26, keep=86400, budget=0.025)
    assert spec.flows[1].maintenance == MaintenanceSpec(auto=False, target_file_size=2**26, keep=86400, budget=0.1)


def test_it_is_no_part_of_a_flow_s_definition(project: Write) -> None:
    one, other = loaded(project), loaded(project, "{auto: true, keep: 1 day}")
    assert fingerprint(one, one.flows[0]).digest == fingerprint(other, other.flows[0]).digest


def test_each_mistake_is_told_at_its_place(project: Write) -> None:
    assert refused(project, one="{target_file_size: 12 parsecs}") == [
        "E122 7:37 target_file_size: '12 parsecs' is no size"
    ]
    assert refused(project, one="{target_file_size: 0}") == [
        "E122 7:37 target_file_size: a size is at least one byte, and at most 1,024 TB"
    ]
    assert refused(project, one="{budget: 0.1}") == ["E122 7:27 budget: '0.1' is no percentage"]
    assert refused(project, one="{budget: 101%}") == [
        "E122 7:27 budget: a share is more than nothing, and at most 100%"
    ]
    assert refused(project, one="{keep: forever}") == ["E123 7:25 keep: 'forever' is no duration"]
    assert refused(project, one="{auto: maybe}")[0].startswith("E105 7:25 auto")
    assert refused(project, one="{kept: 1 day}") == ["E103 7:19 unknown key 'kept' in flow 'one'"]
    assert refused(project, defaults="{maintenance: {keep: forever}}") == ["E123 3:32 keep: 'forever' is no duration"]
    assert refused(project, defaults="{maintenance: [auto]}") == [
        "E105 3:25 defaults: 'maintenance' is a mapping of keys"
    ]


def test_what_is_superseded_is_not_kept_for_longer_than_the_log_tells_of_it(project: Write) -> None:
    (found,) = refused(project, defaults="{maintenance: {keep: 8 days}}", log="interval 7 days")
    assert (
        found
        == "E219 3:32 flow 'two': maintenance keeps what is superseded for 8 days, and Delta the log of its tables for 7"
    )
    assert loaded(project, log="interval 7 days").flows[1].maintenance.keep == 7 * 86400


def test_a_view_has_nothing_to_maintain_but_may_stand_under_defaults(project: Write) -> None:
    text = PIPELINE.format(
        one="    sink: {strategy: view}\n    maintenance: {auto: true}\n", defaults="", log="interval 30 days"
    )
    with pytest.raises(ConfigurationError, match="a view: it has no tables to maintain"):
        load(project({"pipelines/p.yml": text}) / "pipelines" / "p.yml")
    text = text.replace("    maintenance: {auto: true}\n", "").replace(
        "name: p\n", "name: p\ndefaults: {maintenance: {auto: true}}\n"
    )
    assert [
        flow.maintenance.auto for flow in load(project({"pipelines/p.yml": text}) / "pipelines" / "p.yml").flows
    ] == [True]


def test_sizes_and_shares_are_read_as_people_write_them() -> None:
    assert [size(text) for text in ("1 B", "2kB", "128 MB", "0.5 GB", 7)] == [1, 2048, 2**27, 2**29, 7]
    assert [share(text) for text in ("10%", "2.5 %", "100%")] == [0.1, 0.025, 1.0]


def test_the_schema_for_editors_knows_it_of_flows_and_of_defaults() -> None:
    schema = SCHEMAS["pipeline"]()
    assert set(schema["$defs"]["Maintenance"]["properties"]) == {"auto", "target_file_size", "keep", "budget"}
    assert "Maintenance" in str(schema["$defs"]["Flow"]["properties"]["maintenance"])
    assert "Maintenance" in str(schema["properties"]["defaults"]["properties"]["maintenance"])
