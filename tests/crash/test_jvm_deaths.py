"""The JVM ends under a run: killed, or out of memory. It is named, tried again where it was ours, kept in the history, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.engine.session.death import of_exit_code
from etl.engine.session.gateway import Gateway
from tests.conftest import LITTLE_DATA
from tests.crash.killing import ROOT, environment, run
from tests.support.independent import rows

pytestmark = [pytest.mark.crash, pytest.mark.timeout(0 if "ETL_JVM_DEATHS" in os.environ else 900)]

PIPELINE = """
version: 1
name: greedy
sources:
  src: {format: json, path: in, schema: "id INT, k STRING"}
flows:
  hungry:
    inputs: [src]
    incremental: full
    transform: {sql: "SELECT size(collect_list(concat(repeat(k, 8000000), CAST(n AS STRING)))) AS n FROM src LATERAL VIEW explode(sequence(1, 200)) AS n"}
  modest: {inputs: [src], incremental: rows, transform: {sql: "SELECT id, k FROM src"}, sink: {strategy: merge, keys: [id], sequence_by: [id]}}
run: {retry: {min_retry_interval: 0.1 seconds}}
"""


def test_a_killed_jvm_is_replaced_and_the_flow_tried_again_in_every_phase(tell: Callable[[str], None]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.jvm_deaths"],
        cwd=ROOT,
        env=environment(ETL_JVM_DEATHS=os.environ.get("ETL_JVM_DEATHS", "2")),
        capture_output=True,
        text=True,
        check=False,
    )
    tell(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_jvm_out_of_memory_is_named_with_its_setting_and_takes_no_other_flow_along(
    project: Callable[[dict[str, str]], Path],
) -> None:
    small = {"spark": {"conf": {**dict(LITTLE_DATA), "spark.driver.memory": "512m"}}}
    files = {"pipelines/greedy.yml": PIPELINE, "conf/local.yml": json.dumps(small), "in/1.json": '{"id":1,"k":"a"}\n'}
    root = project(files)
    done = run(root, "run", "greedy", "--mode", "batch", "--json")
    assert done.returncode == 4, done.stdout + done.stderr
    told = {flow["flow"]: flow for flow in json.loads(done.stdout)["flows"]}
    assert "out of memory" in told["hungry"]["error"]
    assert "spark: {conf: {spark.driver.memory: 8g}} in conf/<env>.yml; it had 512m" in told["hungry"]["error"]
    assert told["hungry"]["error_kind"] == "environment"
    assert told["hungry"]["attempts"] == 2
    assert told["modest"]["status"] == "succeeded", told
    assert rows(root / ".etl" / "local" / "tables" / "greedy" / "modest") == [(1, "a")]
    assert "Traceback" not in done.stderr
    (record,) = (root / ".etl" / "local" / "history" / "greedy").iterdir()
    assert json.loads(record.read_text(encoding="utf-8"))["status"] == "failed"


_ENDS = {
    # What Spark does where one of its own threads meets an error: the JVM stays, and is of no use.
    "stopped": "context._jsc.sc().stop()",
    # While the hooks of a JVM that ends are at work, what is asked of it meets what they have torn down already.
    "leaving": "threading.Thread(target=leave, args=(context._jvm,), daemon=True).start()",
}
_TOLD = {
    "stopped": "the Spark context was stopped amid its work",
    "leaving": "the JVM that ran Spark was out of memory",
}
_ENDING = """
import contextlib
import threading
import time
from pathlib import Path


def leave(jvm):
    with contextlib.suppress(Exception):  # nothing answers any more
        jvm.java.lang.System.exit(52)


def once(src):
    seen = Path({seen!r})
    if len(seen.read_text()) < {times}:
        seen.write_text(seen.read_text() + "x")
        context = src.sparkSession.sparkContext
        {end}
        while not context._jsc.sc().isStopped():
            time.sleep(0.01)
        context._jvm.java.util.Objects.requireNonNull(None)
    return src
"""


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize(("incremental", "times"), [("full", 1), ("rows", 2)])
def test_whatever_a_stopped_context_throws_its_end_is_told_and_the_flow_goes_on_in_a_new_one(
    project: Callable[[dict[str, str]], Path], tmp_path: Path, end: str, incremental: str, times: int
) -> None:
    seen = tmp_path / "seen"
    seen.write_text("", encoding="utf-8")
    flow = {"inputs": ["src"], "incremental": incremental, "transform": {"python": "ending:once"}}
    pipeline = {
        "version": 1,
        "name": "ending",
        "sources": {"src": {"format": "json", "path": "in", "schema": "id INT, k STRING"}},
        "flows": {"flow": flow},
        "run": {"retry": {"max_retries": 1, "min_retry_interval": "0.1 seconds"}},
    }
    root = project(
        {
            "pipelines/ending.yml": json.dumps(pipeline),
            "pipelines/ending.py": _ENDING.format(seen=str(seen), times=times, end=_ENDS[end]),
            "conf/local.yml": json.dumps({"spark": {"conf": dict(LITTLE_DATA)}}),
            "in/1.json": '{"id":1,"k":"a"}\n',
        }
    )
    done = run(root, "run", "ending", "--json")
    assert "Traceback" not in done.stderr, done.stderr
    (told,) = json.loads(done.stdout)["flows"]
    assert told["attempts"] == 2, told
    if times == 1:
        assert (done.returncode, told["status"]) == (0, "succeeded"), told
        assert rows(root / ".etl" / "local" / "tables" / "ending" / "flow") == [(1, "a")]
    else:
        assert (done.returncode, told["status"]) == ({"stopped": 1, "leaving": 4}[end], "failed"), told
        assert _TOLD[end] in told["error"]
        assert "NullPointer" not in told["error"]


@pytest.mark.parametrize(
    ("code", "words", "killed", "what", "memory"),
    [
        (52, "java.lang.OutOfMemoryError: Java heap space | at x", False, "out of memory (Java heap space)", True),
        (52, "", False, "out of memory, and has ended", True),
        (-9, "", False, "was killed (SIGKILL)", False),
        (137, "", False, "was killed (SIGKILL)", False),
        (-9, "", True, "by the kernel's OOM killer", True),
        (143, "", False, "was ended (SIGTERM)", False),
        (-6, "", False, "crashed (SIGABRT)", False),
        (134, "# Native memory allocation failed | x", False, "crashed (SIGABRT)", False),
        (1, "Something | is wrong", False, "exit code 1: Something | is wrong", False),
    ],
)
def test_an_exit_code_is_read(code: int, words: str, killed: bool, what: str, memory: bool) -> None:
    death = of_exit_code(code, words, "1g", killed=killed, ours=True)
    assert what in death.what
    assert death.memory is memory
    failure = death.failure("orders", "")
    assert (failure.kind, failure.transient) == ("environment" if memory else "run", True)
    assert death.error().exit_code == (4 if memory else 1)
    assert not death.failure("orders", "").hint.startswith(";")


@pytest.mark.parametrize(
    ("ends", "told"), [("kill -9 $$", "was killed (SIGKILL)"), ("exit 52", "out of memory"), ("exit 1", None)]
)
def test_a_jvm_that_dies_as_it_starts_is_named_and_one_that_will_not_start_says_why_itself(
    ends: str, told: str | None
) -> None:
    process = subprocess.Popen(["/bin/sh", "-c", ends])
    process.wait()
    with tempfile.TemporaryFile() as said:
        death = Gateway(process, said, "1g").death_at_start()
    assert (told is None) == (death is None)
    assert death is None or told in death.what
    if death is not None and not death.memory:
        assert death.error().transient  # type: ignore[attr-defined]  # a FlowFailed: the flow that was to begin is tried again
