"""What the grammar of the front door does in a run: seen from the tables and the messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

import etl
from etl.operations.run import run
from etl.planning.request import RunRequest
from tests.support.independent import rows

pytestmark = pytest.mark.spark


def project(root: Path, yaml: str, **files: str) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "pipelines" / "p.yml").write_text("version: 1\nname: p\n" + yaml, encoding="utf-8")
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return etl.load(root / "pipelines" / "p.yml")


def table(root: Path, flow: str) -> Path:
    return root / ".etl" / "local" / "tables" / "p" / flow


REGIONS = """
sources:
  orders: {for_each: {region: [eu, us]}, format: csv, path: "landing/${region}", schema: "id INT"}
flows:
  clean:
    for_each: {region: [eu, us]}
    inputs: [orders]
    transform: {sql: "SELECT id, :region AS region FROM orders"}
  scaled:
    for_each: {region: [us], factor: [3]}
    inputs: [clean]
    transform: {python: "scaling:scaled"}
"""
SCALING = """
from pyspark.sql import functions as F

def scaled(clean, params):
    return clean.select((clean.id * params["factor"]).alias("id"), F.lit(params["region"]).alias("region"))
"""


def test_each_value_of_a_for_each_fills_its_own_table_in_both_modes(tmp_path: Path) -> None:
    pipeline = project(
        tmp_path,
        REGIONS,
        **{"landing/eu/a.csv": "1\n", "landing/us/a.csv": "5\n", "pipelines/scaling.py": SCALING},
    )
    assert pipeline.run(mode="batch").status == "succeeded"
    (tmp_path / "landing/us/b.csv").write_text("6\n", encoding="utf-8")
    result = pipeline.run(mode="stream")
    assert {flow.flow: flow.status for flow in result.flows if flow.status != "unchanged"} == {
        "clean_us": "succeeded", "scaled_us_3": "succeeded",
    }  # fmt: skip
    assert rows(table(tmp_path, "clean_eu")) == [(1, "eu")]
    assert rows(table(tmp_path, "scaled_us_3")) == [(15, "us"), (18, "us")]
    assert pipeline.audit().holds
    assert pipeline.run(mode="batch", select=["clean"]).flows[0].status == "unchanged"


SETTINGS = """
params:
  since: {type: timestamp, default: "2024-03-31T12:00:00"}
  day: {type: date, default: 2024-03-31}
sources:
  s: {format: csv, path: landing, schema_file: wide.ddl, on_malformed: quarantine}
flows:
  by_sql:
    inputs: [s]
    transform: {sql: "SELECT id, typeof(:since) AS kind FROM s WHERE at >= :since AND to_date(at) = :day"}
    run: {timezone: Asia/Tokyo}
  by_python:
    inputs: [s]
    transform: {python: "times:later"}
    run: {mode: stream}
  off: {inputs: [by_sql], enabled: false}
"""
TIMES = """
def later(s, params):
    return s.filter((s.at >= params["since"]) & (s.at.cast("date") == params["day"])).select("id")
"""


def test_dates_and_times_mean_the_flow_s_own_time_zone_in_sql_and_in_python(tmp_path: Path) -> None:
    lines = "1,2024-03-31T11:59:59Z\n2,2024-03-31T12:00:00Z\n3,2024-03-31T02:59:59Z\n4,2024-03-31T03:00:00Z\nx,y\n"
    pipeline = project(
        tmp_path,
        SETTINGS,
        **{
            "landing/a.csv": lines,
            "pipelines/wide.ddl": "id INT, -- its number\nat TIMESTAMP -- when\n",
            "pipelines/times.py": TIMES,
        },
    )
    result = pipeline.run()
    assert [(flow.flow, flow.status, flow.mode) for flow in result.flows] == [
        ("by_sql", "succeeded", "batch"),
        ("by_python", "succeeded", "stream"),
    ]
    # Noon in Tokyo is three o'clock in the morning in UTC, and the day there ends at three in the afternoon.
    assert rows(table(tmp_path, "by_sql")) == [(1, "timestamp"), (2, "timestamp"), (4, "timestamp")]
    assert rows(table(tmp_path, "by_python")) == [(2,)]
    assert [flow.counts.quarantined for flow in result.flows] == [1, 1]


HIDDEN = """
params: {password: "${env:ETL_TEST_SECRET}"}
sources:
  s: {format: csv, path: landing, schema: "id INT, v STRING", options: {apiToken: "${file:secret.txt}", comment: "#"}}
flows:
  good:
    inputs: [s]
    transform: {sql: "SELECT id, v <> :password AS differs FROM s"}
  by_python:
    inputs: [s]
    transform: {python: "hidden:keep"}
  bad_sql:
    inputs: [s]
    transform: {sql: "SELECT id, CAST(concat(:password, v) AS INT) AS n FROM s"}
    incremental: rows
  bad_rule:
    inputs: [s]
    transform: {sql: "SELECT concat(:password, v) AS v FROM s"}
    incremental: rows
    expectations: {never: {expr: v IS NULL, on_violation: fail}}
  bad_python:
    inputs: [s]
    transform: {python: "hidden:fail"}
"""
HIDDEN_PYTHON = """
def keep(s, params):
    return s.filter(s.v != params["password"])

def fail(s, params):
    raise ValueError("cannot log in with " + params["password"])
"""


def test_a_secret_s_value_is_in_no_file_no_event_and_no_message_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    values = ("s3cr'et/one", "geheim-two")
    monkeypatch.setenv("ETL_TEST_SECRET", values[0])
    (tmp_path / "secret.txt").write_text(values[1] + "\n", encoding="utf-8")
    pipeline = project(tmp_path, HIDDEN, **{"landing/a.csv": "1,x\n", "pipelines/hidden.py": HIDDEN_PYTHON})
    (tmp_path / "secret.txt").unlink()
    told: list[object] = []
    for mode in ("batch", "stream"):
        result = run(pipeline.spec, RunRequest(mode=mode), emit=told.append)  # type: ignore[arg-type]  # one of the two
        assert {flow.flow: flow.status for flow in result.flows} == {
            "good": "succeeded" if mode == "batch" else "unchanged",
            "by_python": "succeeded" if mode == "batch" else "unchanged",
            "bad_sql": "failed",
            "bad_rule": "failed",
            "bad_python": "failed",
        }
        told.append(result)
        failures = [flow.failure.message for flow in result.flows if flow.failure is not None]
        assert sum("${env:ETL_TEST_SECRET}" in message for message in failures) == 3, failures
    assert rows(table(tmp_path, "good")) == [(1, True)]
    written = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(written) > 20
    output = capfd.readouterr()
    texts = {str(path): path.read_bytes() for path in written} | {
        "events": repr(told).encode(),
        "output": (output.out + output.err).encode(),
    }
    for value in (*values, "s3cr\\'et", "s3cr%27et"):
        assert [name for name, text in texts.items() if value.encode() in text] == []


CONTRACT = """
sources:
  s: {format: csv, path: landing, schema: "id INT, v STRING, n DECIMAL(10,2)"}
flows:
  kept:
    inputs: [s]
    transform: {sql: "SELECT id, v, n, array(struct(id AS A)) AS nested FROM s"}
    incremental: rows
    columns:
      ID: {type: integer, description: "Its number, 'quoted'"}
      v: {type: VARCHAR(10), sensitive: true}
      n: {type: "numeric(10, 2)"}
      nested: {type: "ARRAY<STRUCT<a: INT>>"}
    primary_key: id
    expectations: {small: {expr: id < 10, on_violation: fail}}
  broken:
    inputs: [s]
    transform: {python: "passing:on"}
    columns: {idd: {}, n: {type: DOUBLE}}
    primary_key: [id, nn]
"""


def test_what_a_flow_promises_of_its_columns_is_judged_before_anything_is_written(tmp_path: Path) -> None:
    pipeline = project(
        tmp_path, CONTRACT, **{"landing/a.csv": "1,x,1.5\n", "pipelines/passing.py": "def on(s):\n    return s\n"}
    )
    kept, broken = pipeline.run(mode="stream").flows
    assert kept.status == "succeeded", kept.failure
    fields = DeltaTable(str(table(tmp_path, "kept"))).schema().fields
    assert [(field.name, field.metadata.get("comment")) for field in fields][:2] == [
        ("id", "Its number, 'quoted'"),
        ("v", None),
    ]
    assert broken.failure is not None
    assert [line for line in broken.failure.message.splitlines() if "E34" in line] == [
        f"{tmp_path}/pipelines/p.yml:21:15 [E347] flow 'broken' promises a column 'idd', which its transform does not return",
        f"{tmp_path}/pipelines/p.yml:21:24 [E347] flow 'broken' promises 'n' as double, and its transform returns decimal(10,2)",
        f"{tmp_path}/pipelines/p.yml:18:3 [E345] primary_key of flow 'broken' names 'nn', which the transform does not return",
    ]
    assert not table(tmp_path, "broken").exists()
    for name, line, said in (
        ("b.csv", ",geheim,1\n", "expectation 'primary_key' (`id` IS NOT NULL) is violated"),
        ("c.csv", "12,geheim,1\n", "expectation 'small' (id < 10) is violated"),
    ):
        (tmp_path / "landing" / name).write_text(line, encoding="utf-8")
        (flow,) = pipeline.run(mode="batch", select=["kept"]).flows
        assert flow.failure is not None
        assert said in flow.failure.message
        assert '"v":"***"' in flow.failure.message
        assert "geheim" not in flow.failure.message
        (tmp_path / "landing" / name).unlink()
    assert len(rows(table(tmp_path, "kept"), "id, v")) == 1


REGISTRY = """
version: 1
name: registry
sources: {s: {format: csv, path: planes, schema: "tail STRING"}}
flows: {planes: {inputs: [s], sink: {path: shared/planes}}}
"""
LINKED = """
sources:
  planes: {pipeline: registry, flow: planes}
flows:
  copied: {inputs: [planes]}
"""


def test_what_another_pipeline_writes_is_read_in_both_modes(tmp_path: Path) -> None:
    pipeline = project(tmp_path, LINKED, **{"planes/a.csv": "N1\n", "pipelines/registry.yml": REGISTRY})
    early = pipeline.run(mode="stream")
    assert [flow.status for flow in early.flows] == ["failed"]
    assert early.flows[0].failure is not None
    assert "there is no Delta table at" in early.flows[0].failure.message
    registry = etl.load(tmp_path / "pipelines" / "registry.yml")
    registry.run(mode="stream")
    assert pipeline.run(mode="batch").status == "succeeded"
    (tmp_path / "planes/b.csv").write_text("N2\n", encoding="utf-8")
    registry.run(mode="stream")
    assert pipeline.run(mode="stream").status == "succeeded"
    assert rows(table(tmp_path, "copied")) == [("N1",), ("N2",)]
    assert pipeline.audit().holds


UNKNOWN = """
sources: {orders: {format: csv, path: landing, schema: "id INT, v INT"}}
flows:
  from_python: {inputs: [orders], transform: {python: "code:passed_on"}}
  joined:
    inputs: {orders: changes, from_python: {read: snapshot, on_change: keep}}
    transform:
      sql: |
        SELECT o.id,
          v + 1 AS more
        FROM orders o JOIN from_python p ON o.id = p.id
"""


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_column_that_two_inputs_have_is_named_at_its_line_where_only_a_run_can_know_them(
    tmp_path: Path, mode: str
) -> None:
    code = "def passed_on(orders):\n    return orders\n"
    pipeline = project(tmp_path, UNKNOWN, **{"landing/a.csv": "1,5\n", "pipelines/code.py": code})
    result = pipeline.run(mode=mode)
    failure = {flow.flow: flow.failure for flow in result.flows}["joined"]
    assert failure is not None
    assert failure.message.startswith("flow 'joined': "), failure.message
    assert "`v` is ambiguous" in failure.message
    assert failure.where.endswith("pipelines/p.yml:12:11"), failure
    assert not failure.transient
