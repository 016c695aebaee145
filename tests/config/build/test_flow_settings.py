"""What a source or a flow may say of itself: a schema in a file, whether it is enabled, how it runs; params of dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from etl.config.load import load
from etl.config.spec import PipelineSpec
from etl.errors import ConfigurationError
from etl.operations.interval_runs import intervals
from etl.operations.plan import plan
from etl.planning.fingerprint import fingerprint
from etl.planning.request import RunRequest

Write = Callable[[Mapping[str, str]], Path]

YAML = """\
version: 1
name: p
params:
  nightly: true
  since: {type: timestamp, default: "2024-03-31T12:00:00"}
  day: {type: date, default: 2024-02-29}
sources:
  s: {format: csv, path: "landing/${day}", schema_file: wide.ddl}
flows:
  one:
    inputs: [s]
    transform: {sql: "SELECT id FROM s WHERE at > :since AND DATE(at) > :day"}
  two:
    inputs: [s]
    enabled: ${nightly}
    run: {mode: stream, trigger: 5 seconds, timezone: Europe/Berlin}
run: {mode: batch, trigger: 1 minute}
"""
DDL = "-- what the sensor sends\nid BIGINT, /* when,\n local */ at TIMESTAMP COMMENT '-- not a comment'\n"


@pytest.fixture
def loaded(project: Write) -> Callable[..., PipelineSpec]:
    def read(yaml: str = YAML, ddl: str = DDL, **more: object) -> PipelineSpec:
        root = project(
            {"pipelines/p/pipeline.yml": yaml, "pipelines/p/wide.ddl": "", "conf/local.yml": "run: {mode: batch}\n"}
        )
        (root / "pipelines/p/wide.ddl").write_text(ddl, encoding="utf-8")
        return load("p", **more)  # type: ignore[arg-type]  # what a test passes on

    return read


def mistake(read: Callable[..., PipelineSpec], yaml: str = YAML, ddl: str = DDL) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(yaml, ddl)
    return str(raised.value)


def test_a_schema_file_is_the_schema_without_its_comments(loaded: Callable[..., PipelineSpec]) -> None:
    schema = loaded().sources[0].schema or ""
    assert " ".join(schema.split()) == "id BIGINT, at TIMESTAMP COMMENT '-- not a comment'"


def test_a_mistake_in_a_schema_file_is_told_at_its_place_in_that_file(loaded: Callable[..., PipelineSpec]) -> None:
    assert mistake(loaded, ddl=DDL.replace("TIMESTAMP", "TIMESTMP")) == (
        "pipelines/p/wide.ddl:3:14 [E311] the schema of source 's': 'TIMESTMP' is no type of Spark's\n"
        " 3 |  local */ at TIMESTMP COMMENT '-- not a comment'\n"
        "   |              ^^^^^^^^ did you mean 'TIMESTAMP'?"
    )


@pytest.mark.parametrize(
    ("old", "new", "ddl", "said"),
    [
        ("wide.ddl", "wid.ddl", DDL, "[E325] source 's': pipelines/p/wid.ddl does not exist"),
        ("wide.ddl", "../../../x.ddl", DDL, "[E327] source 's': ../../../x.ddl lies outside the project"),
        ("wide.ddl", "wide.ddl", "-- nothing\n", "[E310] source 's': pipelines/p/wide.ddl holds no schema"),
        ("schema_file", "schema: 'a INT', schema_file", DDL, "[E226] source 's' has both schema and schema_file"),
        ("2024-02-29}", "2023-02-29}", DDL, "[E111] param 'day': '2023-02-29' is no date, such as 2024-01-31"),
        ("2024-03-31T12", "2024-03-31T25", DDL, "[E111] param 'since': '2024-03-31T25:00:00' is no timestamp"),
        ("Europe/Berlin", "Europe/Berlni", DDL, "p/pipeline.yml:16:55 [E143] there is no time zone 'Europe/Berlni'"),
        ("trigger: 5 seconds", "trigger: 5 secnds", DDL, "p/pipeline.yml:16:34 [E123] trigger: '5 secnds' is no duration"),
        ("mode: stream", "max_concurrent_flows: 2", DDL, "[E103] unknown key 'max_concurrent_flows'"),
        ("${nightly}", "maybe", DDL, "p/pipeline.yml:15:14 [E105] enabled in flow 'two': true or false belongs here"),
    ],
)  # fmt: skip
def test_mistakes(loaded: Callable[..., PipelineSpec], old: str, new: str, ddl: str, said: str) -> None:
    assert said in mistake(loaded, YAML.replace(old, new, 1), ddl)


def test_dates_are_dates_and_a_timestamp_is_in_the_flow_s_time_zone(loaded: Callable[..., PipelineSpec]) -> None:
    spec = loaded()
    one, two = (spec.params_of(flow) for flow in spec.flows)
    assert one["day"] == date(2024, 2, 29)
    assert one["since"] == datetime(2024, 3, 31, 12, tzinfo=UTC)
    assert two["since"] == datetime(2024, 3, 31, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert spec.sources[0].path.endswith("landing/2024-02-29")
    given = loaded(params={"since": "2024-03-31T12:00:00+05:00"})
    assert given.params_of(given.flows[0])["since"] == datetime.fromisoformat("2024-03-31T12:00:00+05:00")


def test_a_flow_s_own_run_overrides_the_environment_s_and_a_flag_overrides_both(
    loaded: Callable[..., PipelineSpec],
) -> None:
    planned = plan(loaded(), RunRequest())
    assert [(item.flow.name, item.mode) for item in planned.flows] == [("one", "batch"), ("two", "stream")]
    assert [item.mode for item in plan(loaded(), RunRequest(mode="stream")).flows] == ["stream", "stream"]
    assert intervals(planned, None) == {"two": 5.0}
    assert intervals(plan(loaded(), RunRequest(mode="stream")), None) == {"one": 60.0, "two": 5.0}
    assert intervals(planned, "available_now") == {}


def test_a_time_zone_of_its_own_is_in_the_flow_s_fingerprint_and_in_no_other(
    loaded: Callable[..., PipelineSpec],
) -> None:
    spec, other = loaded(), loaded(YAML.replace("Europe/Berlin", "Asia/Tokyo"))
    changed = [
        fingerprint(spec, a).changed(fingerprint(other, b).parts) for a, b in zip(spec.flows, other.flows, strict=True)
    ]
    assert changed == [(), ("session",)]


def test_a_disabled_flow_is_left_out_and_selecting_it_says_so(loaded: Callable[..., PipelineSpec]) -> None:
    spec = loaded(params={"nightly": "false"})
    assert [item.flow.name for item in plan(spec, RunRequest()).flows] == ["one"]
    with pytest.raises(ConfigurationError, match="flow 'two' is disabled"):
        plan(spec, RunRequest(select=["two"]))
    none = loaded(
        YAML.replace("    inputs: [s]\n    transform", "    inputs: [s]\n    enabled: false\n    transform"),
        params={"nightly": "false"},
    )
    with pytest.raises(ConfigurationError, match="every flow is disabled"):
        plan(none, RunRequest())


def test_an_enabled_flow_must_not_read_a_disabled_one(loaded: Callable[..., PipelineSpec]) -> None:
    yaml = YAML.replace("enabled: ${nightly}", "enabled: false").replace(
        "flows:\n", "flows:\n  three: {inputs: [two]}\n"
    )
    assert "[E210] flow 'three' is enabled and reads 'two', which is not" in mistake(loaded, yaml)
