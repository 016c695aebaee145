"""What a run does with a flow, seen from outside: results, tables, messages."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import etl
from etl.config.spec import Mode
from etl.operations.run import run
from etl.planning.request import RunRequest
from etl.planning.results import FlowResult, RunResult
from tests.support.engine_cases import actual, land, model, write_project
from tests.support.independent import rows, stamps

pytestmark = pytest.mark.spark

SMALL = """
version: 1
name: small
sources:
  things: {{format: csv, path: landing, schema: "id INT, v STRING", options: {{header: true}}, on_malformed: {malformed}}}
flows:
  copied:
    inputs: [things]
    transform: {{sql: "{sql}"}}
    incremental: {kind}
    {extra}
"""


def small(
    root: Path,
    *,
    sql: str = "SELECT id, v FROM things",
    kind: str = "rows",
    malformed: str = "fail",
    extra: str = "tags: [t]",
) -> etl.Pipeline:
    (root / "pipelines").mkdir(exist_ok=True)
    (root / "landing").mkdir(exist_ok=True)
    text = SMALL.format(sql=sql, kind=kind, malformed=malformed, extra=extra)
    (root / "pipelines" / "small.yml").write_text(text, encoding="utf-8")
    return etl.load(root / "pipelines" / "small.yml")


def put(root: Path, name: str, text: str) -> None:
    (root / "landing" / name).write_text("id,v\n" + text, encoding="utf-8")


def by_python(folder: Path, transforms: str, extra: str = "") -> etl.Pipeline:
    """A project whose one flow, `changed`, is made by the function `change`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parents[1] / "landing").mkdir(exist_ok=True)
    (folder / "transforms.py").write_text(transforms, encoding="utf-8")
    (folder / "pipeline.yml").write_text(
        f"version: 1\nname: {folder.name}\nsources:\n  things: {{format: csv, path: landing, schema: 'id INT, v STRING', options: {{header: true}}}}\n"
        f"flows:\n  changed: {{inputs: [things], transform: {{python: 'transforms:change'}}{extra}}}\n",
        encoding="utf-8",
    )
    return etl.load(folder)


def only(result: RunResult) -> FlowResult:
    (flow,) = result.flows
    return flow


def target(root: Path, flow: str = "copied") -> Path:
    return root / ".etl" / "local" / "tables" / "small" / flow


@pytest.fixture(autouse=True)
def _session(spark: SparkSession) -> None:
    """Every test here works in the shared session."""


def test_an_empty_source_gives_an_empty_table_and_later_rows_follow(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    assert only(pipeline.run(mode="stream")).status == "succeeded"
    assert rows(target(tmp_path)) == []
    put(tmp_path, "a.csv", "1,x\n")
    assert only(pipeline.run(mode="stream")).status == "succeeded"
    assert rows(target(tmp_path)) == [(1, "x")]
    assert pipeline.audit().holds


def test_a_changed_definition_opens_a_new_generation_that_holds_everything(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode="stream")
    put(tmp_path, "b.csv", "2,y\n")
    changed = small(tmp_path, sql="SELECT id, upper(v) AS v, id + 1 AS next FROM things")
    flow = only(changed.run(mode="stream"))
    assert (flow.reason, flow.generation) == ("the definition changed", 1)
    assert rows(target(tmp_path)) == [(1, "X", 2), (2, "Y", 3)]
    assert changed.audit().holds


def test_a_rebuild_that_would_lose_rows_is_refused_and_names_the_files(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    put(tmp_path, "b.csv", "2,y\n")
    pipeline.run(mode="batch")
    (tmp_path / "landing" / "a.csv").unlink()
    flow = only(pipeline.run(mode="batch"))
    assert flow.status == "failed"
    assert flow.failure is not None
    assert "1 file (a.csv) is gone" in flow.failure.message
    assert "--allow-history-loss" in flow.failure.hint
    assert len(rows(target(tmp_path))) == 2
    assert only(pipeline.run(mode="stream")).status == "unchanged"  # a stream has read it already
    assert only(pipeline.run(mode="batch", allow_history_loss=True)).status == "succeeded"
    assert rows(target(tmp_path)) == [(2, "y")]


def test_a_full_flow_knows_its_files_by_name_and_refuses_to_lose_one(tmp_path: Path) -> None:
    pipeline = small(tmp_path, kind="full")
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode="stream")
    (tmp_path / "landing" / "a.csv").unlink()
    put(tmp_path, "b.csv", "2,y\n")
    modes: tuple[Any, ...] = ("batch", "stream")
    for mode in modes:
        flow = only(pipeline.run(mode=mode))
        assert flow.failure is not None
        assert "1 file (a.csv) is gone" in flow.failure.message
    assert rows(target(tmp_path)) == [(1, "x")]


def test_a_snapshot_whose_files_are_replaced_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    people = tmp_path / "landing" / "people"
    people.mkdir()
    (tmp_path / "landing" / "people.csv").rename(people / "one.csv")
    file = tmp_path / "pipelines" / "shop.yml"
    file.write_text(file.read_text(encoding="utf-8").replace("landing/people.csv", "landing/people"), encoding="utf-8")
    land(tmp_path, "a.json", [{"id": 1, "who": "zz", "amount": 1, "seq": 1, "gone": False}])
    pipeline = etl.load("shop")
    assert pipeline.run(mode="batch").status == "succeeded"
    (people / "two.csv").write_text("who,name\nzz,Zoe\n", encoding="utf-8")
    (people / "one.csv").unlink()
    stale = pipeline.run(mode="stream")
    assert stale.status == "unchanged"
    assert any("snapshot people has moved" in message for flow in stale.flows for message in flow.warnings)
    assert pipeline.run(mode="batch").status == "succeeded"
    assert rows(tmp_path / ".etl/local/tables/shop/clean", "who, name") == [("zz", "Zoe")]


def test_a_rewritten_file_is_read_again_by_a_stream(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode="stream")
    put(tmp_path, "a.csv", "1,z\n")
    os.utime(tmp_path / "landing" / "a.csv", (1, 1))
    flow = only(pipeline.run(mode="stream"))
    assert "rewritten" in flow.reason
    assert rows(target(tmp_path)) == [(1, "z")]


def test_names_of_files_are_taken_as_they_are(tmp_path: Path) -> None:
    pipeline = small(tmp_path, kind="full")
    for index, name in enumerate(["a b.csv", "c[1].csv", "d{x}.csv", "é%20#.csv"]):
        put(tmp_path, name, f"{index},x\n")
    assert only(pipeline.run(mode="batch")).counts.read == 4
    assert only(pipeline.run(mode="stream")).status == "unchanged"
    streamed = small(tmp_path, kind="rows")
    assert only(streamed.run(mode="stream")).counts.read == 4
    assert only(streamed.run(mode="batch")).status == "unchanged"


def test_a_malformed_row_fails_the_flow_before_anything_is_written(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\nnot a number,y\n")
    flow = only(pipeline.run(mode="batch"))
    assert flow.failure is not None
    assert flow.failure.kind == "expectation"
    assert "does not fit its source's schema" in flow.failure.message
    assert flow.attempts == 1
    assert not (target(tmp_path) / "_delta_log" / f"{0:020}.json").exists()


def test_malformed_rows_can_be_dropped_and_are_counted(tmp_path: Path) -> None:
    pipeline = small(tmp_path, malformed="drop")
    put(tmp_path, "a.csv", "1,x\nnot a number,y\n3\n")
    flow = only(pipeline.run(mode="stream"))
    assert (flow.counts.read, flow.counts.written, flow.counts.dropped) == (3, 1, 2)


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_violated_fail_expectation_names_itself_and_the_row_and_writes_nothing(tmp_path: Path, mode: Any) -> None:
    pipeline = small(tmp_path, extra="expectations: {known: {expr: v IS NOT NULL, on_violation: fail}}")
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode=mode)
    put(tmp_path, "b.csv", "2,\n")
    flow = only(pipeline.run(mode=mode))
    assert flow.failure is not None
    assert flow.failure.kind == "expectation"
    assert "expectation 'known' (v IS NOT NULL) is violated" in flow.failure.message
    assert '"id":2' in flow.failure.message
    assert rows(target(tmp_path)) == [(1, "x")]


def test_a_declared_rows_flow_with_an_aggregate_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    put_project = small(tmp_path, sql="SELECT v, count(*) AS n FROM things GROUP BY v")
    put(tmp_path, "a.csv", "1,x\n")
    flow = only(put_project.run(mode="batch"))
    assert flow.failure is not None
    assert flow.failure.kind == "configuration"
    assert "[E260]" in flow.failure.message
    assert "an aggregate" in flow.failure.message
    assert not (tmp_path / ".etl" / "local" / "checkpoints" / "small" / "copied" / "g0").exists()


def test_auto_takes_a_limit_for_full_and_says_so_in_the_plan(tmp_path: Path) -> None:
    pipeline = small(tmp_path, sql="SELECT id, v FROM things ORDER BY id LIMIT 1", kind="auto")
    (flow,) = pipeline.plan().flows
    assert (flow.kind, flow.strategy) == ("full", "overwrite")
    assert "ORDER BY" in flow.decided_by or "LIMIT" in flow.decided_by
    put(tmp_path, "a.csv", "2,x\n")
    pipeline.run(mode="stream")
    put(tmp_path, "b.csv", "1,y\n")
    pipeline.run(mode="stream")
    assert rows(target(tmp_path)) == [(1, "y")]


def test_a_permanent_error_fails_at_once_with_flow_cause_and_place(tmp_path: Path) -> None:
    pipeline = small(tmp_path, sql="SELECT id, v, 1 / (id - 1) AS r FROM things")
    put(tmp_path, "a.csv", "1,x\n")
    flow = only(pipeline.run(mode="batch"))
    assert flow.failure is not None
    assert flow.attempts == 1
    assert not flow.failure.transient
    assert "DIVIDE_BY_ZERO" in flow.failure.message
    assert "flow 'copied'" in flow.failure.message
    assert "small.yml:" in flow.failure.where


def test_a_sink_path_that_fails_twice_is_tried_again_and_succeeds(tmp_path: Path) -> None:
    extra = "run: {retry: {max_retries: 4, min_retry_interval: 1, max_retry_interval: 2}}"
    pipeline = small(tmp_path, extra=extra)
    put(tmp_path, "a.csv", "1,x\n")
    place = target(tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text("a file where the table belongs")
    retried: list[int] = []

    def emit(event: Any) -> None:
        if type(event).__name__ == "FlowRetried":
            retried.append(event.attempt)
            if len(retried) == 2:
                place.unlink()

    flow = only(run(pipeline.spec, RunRequest(mode="batch"), emit=emit))
    assert flow.failure is None
    assert (flow.attempts, retried) == (3, [1, 2])
    assert rows(place) == [(1, "x")]
    assert pipeline.audit().holds


def test_a_flow_that_fails_stops_only_those_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "pipelines" / "shop.yml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("SELECT id, who FROM clean", "SELECT id, 1 / 0 AS who FROM clean"), encoding="utf-8")
    land(tmp_path, "a.json", [{"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}])
    found = {flow.flow: flow.status for flow in etl.load("shop").run(mode="batch").flows}
    assert found["once"] == "failed"
    assert {found[name] for name in ("clean", "latest", "alive", "totals")} == {"succeeded"}


def test_a_flow_behind_a_failed_one_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "landing" / "people.csv").unlink()
    land(tmp_path, "a.json", [{"id": 1, "who": "a", "amount": 1, "seq": 1, "gone": False}])
    result = etl.load("shop").run(mode="batch")
    found = {flow.flow: flow.status for flow in result.flows}
    assert found.pop("clean") == "failed"
    assert set(found.values()) == {"skipped"}
    assert result.status == "failed"


def test_a_processing_time_trigger_goes_in_rounds_until_it_is_stopped(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    stop = threading.Event()
    seen: list[int] = []

    def emit(event: Any) -> None:
        if type(event).__name__ == "EpochCommitted":
            seen.append(event.epoch)
            if len(seen) == 1:
                put(tmp_path, "b.csv", "2,y\n")
            else:
                stop.set()

    result = run(pipeline.spec, RunRequest(mode="stream", trigger="1 second"), emit=emit, stop=stop)
    assert (only(result).epochs, only(result).counts.written, seen) == (2, 2, [0, 1])
    assert rows(target(tmp_path)) == [(1, "x"), (2, "y")]


def test_a_stop_takes_effect_between_epochs_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    everything: list[Any] = []
    for index in range(6):
        order = {"id": index, "who": "a", "amount": 1, "seq": index, "gone": False}
        everything.append(order)
        land(tmp_path, f"{index}.json", [order])
    pipeline = etl.load("shop")
    stop = threading.Event()
    result = run(
        pipeline.spec,
        RunRequest(mode="stream"),
        emit=lambda event: stop.set() if type(event).__name__ == "EpochCommitted" else None,
        stop=stop,
    )
    found = {flow.flow: flow for flow in result.flows}
    assert 0 < found["clean"].epochs < 6
    assert found["latest"].status == "skipped"
    assert pipeline.run(mode="stream").status == "succeeded"
    assert actual(tmp_path) == model(everything)
    epochs = [stamp["epoch"] for stamp in stamps(tmp_path / ".etl/local/tables/shop/clean")]
    assert epochs == list(range(6))


def test_a_lost_checkpoint_is_found_before_the_first_write_and_the_target_rebuilt(tmp_path: Path) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode="stream")
    put(tmp_path, "b.csv", "2,y\n")
    checkpoint = tmp_path / ".etl" / "local" / "checkpoints" / "small" / "copied" / "g0"
    for name in ("offsets", "commits", "sources"):
        shutil.rmtree(checkpoint / name)
    flow = only(pipeline.run(mode="stream"))
    assert flow.reason == "the checkpoint is behind the target"
    assert rows(target(tmp_path)) == [(1, "x"), (2, "y")]
    assert pipeline.audit().holds


def test_a_foreign_commit_is_named_by_the_audit(tmp_path: Path, spark: SparkSession) -> None:
    pipeline = small(tmp_path)
    put(tmp_path, "a.csv", "1,x\n")
    pipeline.run(mode="batch")
    assert pipeline.audit().holds
    spark.createDataFrame([(9, "foreign")], "id INT, v STRING").write.format("delta").mode("append").save(
        str(target(tmp_path))
    )
    (flow,) = pipeline.audit().flows
    (finding,) = flow.findings
    assert finding.version == 1
    assert "foreign commit (WRITE)" in finding.what


def test_the_same_module_name_in_two_pipelines_never_meets_and_functions_reach_python_workers(tmp_path: Path) -> None:
    for name, text in (("one", "1"), ("two", "2")):
        folder = tmp_path / "pipelines" / name
        folder.mkdir(parents=True)
        (folder / "neighbour.py").write_text(f"WORD = {text!r}\n", encoding="utf-8")
        by_python(
            folder,
            "from neighbour import WORD\nfrom pyspark.sql import functions as F\n\n"
            "def mark(v):\n    return v + WORD\n\n"
            "def change(things):\n    return things.withColumn('v', F.udf(mark)('v'))\n",
        )
    put(tmp_path, "a.csv", "1,x\n")
    for name, text in (("one", "1"), ("two", "2")):
        result = etl.load(tmp_path / "pipelines" / name).run(mode="stream")
        assert only(result).failure is None
        assert rows(tmp_path / ".etl" / "local" / "tables" / name / "changed") == [(1, "x" + text)]


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_what_a_function_raises_in_a_worker_is_told_with_its_line_and_no_traceback(tmp_path: Path, mode: Mode) -> None:
    folder = tmp_path / "pipelines" / "one"
    pipeline = by_python(
        folder,
        "from pyspark.sql import functions as F\n\n"
        "def mark(v):\n    try:\n        return {'x': 1}[v]\n    except KeyError as cause:\n        raise ValueError(f'no {v}') from cause\n\n"
        "def change(things):\n    return things.withColumn('v', F.udf(mark, 'int')('v'))\n",
    )
    put(tmp_path, "a.csv", "1,x\n2,y\n")
    flow = only(pipeline.run(mode=mode))
    assert flow.failure is not None
    of_row = 'it fails of the row {"id": 2, "v": "y"} in landing/a.csv'
    assert (flow.attempts, flow.failure.message) == (1, f"flow 'changed': ValueError: no y; {of_row}")
    assert flow.failure.where == f"{folder / 'transforms.py'}:7:1"


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_the_active_session_is_the_one_that_a_function_s_inputs_are_of(tmp_path: Path, mode: Mode) -> None:
    pipeline = by_python(
        tmp_path / "pipelines" / "one",
        "from pyspark.sql import SparkSession\n\n"
        "def change(things):\n"
        "    things.createOrReplaceTempView('theirs')\n"
        "    return SparkSession.getActiveSession().table('theirs')\n",
    )
    put(tmp_path, "a.csv", "1,x\n")
    assert only(pipeline.run(mode=mode)).failure is None
    assert rows(tmp_path / ".etl" / "local" / "tables" / "one" / "changed") == [(1, "x")]


def test_a_sensitive_flow_s_function_raises_without_the_row_s_values(tmp_path: Path) -> None:
    pipeline = by_python(
        tmp_path / "pipelines" / "one",
        "from pyspark.sql import functions as F\n\n"
        "def mark(v):\n    raise ValueError(f'no {v}')\n\n"
        "def change(things):\n    return things.withColumn('v', F.udf(mark, 'string')('v'))\n",
        extra=", columns: {v: {sensitive: true}}",
    )
    put(tmp_path, "a.csv", "1,hush\n")
    flow = only(pipeline.run(mode="batch"))
    assert flow.failure is not None
    assert (
        flow.failure.message
        == """flow 'changed': ValueError; it fails of the row {"id": 1, "v": "***"} in landing/a.csv"""
    )
    assert "hush" not in str(flow)
