"""Sessions of our own, seen from outside: each test starts whole processes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.support.independent import arrow

pytestmark = [pytest.mark.system]

_OPEN = """
import sys
from etl.config.spec import SparkSpec
from etl.engine.session.start import open_session
from etl.errors import EtlError
"""


def _run(program: str, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _OPEN + program, *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **environment}
    )


def _is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_session_says_nothing_litters_nothing_and_can_be_opened_again(tmp_path: Path) -> None:
    scratch, work = tmp_path / "tmp", tmp_path / "work"
    scratch.mkdir()
    work.mkdir()
    program = """
pids = []
for _ in range(2):
    handle = open_session(SparkSpec(), app_name="x", short=True)
    assert handle.owned and handle.local
    session = handle.flow_session("UTC")
    session.range(5).write.format("delta").mode("append").save(sys.argv[1])
    assert "192.0" not in session.conf.get("spark.driver.host")
    pids.append(handle.jvm_pid())
    handle.close()
print(*pids)
"""
    done = _run(program, work, str(tmp_path / "table"), TMPDIR=str(scratch))
    assert (done.returncode, done.stderr) == (0, "")
    first, second = map(int, done.stdout.split())
    assert first != second
    assert not _is_alive(first)
    assert not _is_alive(second)
    assert list(work.iterdir()) == []
    assert [item.name for item in scratch.iterdir() if item.name.startswith(("twilight", "spark"))] == []
    assert arrow(tmp_path / "table").num_rows == 10


def test_a_jvm_that_dies_at_start_shows_its_last_words(tmp_path: Path) -> None:
    program = """
try:
    open_session(SparkSpec(conf=(("spark.driver.extraJavaOptions", "-agentlib:nosuch"),)), app_name="x", short=True)
except EtlError as cause:
    print(cause)
    sys.exit(cause.exit_code)
"""
    done = _run(program, tmp_path)
    assert done.returncode == 4
    assert "agent library nosuch" in done.stdout
    assert done.stderr == ""


def test_a_setting_that_spark_refuses_is_told_and_leaves_no_jvm(tmp_path: Path) -> None:
    program = """
try:
    open_session(SparkSpec(master="local[none]"), app_name="x", short=True)
except EtlError as cause:
    print(cause)
    sys.exit(cause.exit_code)
"""
    done = _run(program, tmp_path)
    assert done.returncode == 4, done.stderr
    assert "local[none]" in done.stdout
    assert done.stderr == ""


def test_a_users_session_without_delta_is_told_what_to_start_it_with(tmp_path: Path) -> None:
    program = """
from pyspark.sql import SparkSession
mine = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
try:
    open_session(SparkSpec(), app_name="x", short=True)
except EtlError as cause:
    assert mine.range(1).count() == 1
    print(cause)
    sys.exit(cause.exit_code)
"""
    done = _run(program, tmp_path)
    assert done.returncode == 4, done.stderr
    for wanted in (
        "--packages io.delta:delta-spark_4.2_2.13:4.4.0",
        "spark.sql.extensions=",
        "spark.sql.catalog.spark_catalog=",
    ):
        assert wanted in done.stdout


def test_a_session_without_deltas_jars_is_told_so(tmp_path: Path) -> None:
    program = """
from pyspark.sql import SparkSession
from etl.engine.session.profile import DELTA
building = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
for name, value in DELTA.items():
    building = building.config(name, value)
mine = building.getOrCreate()
try:
    open_session(SparkSpec(), app_name="x", short=True)
except EtlError as cause:
    print(cause)
    sys.exit(cause.exit_code)
"""
    done = _run(program, tmp_path)
    assert done.returncode == 4, done.stderr
    assert "no Delta jars" in done.stdout


@pytest.mark.crash
def test_a_killed_process_takes_its_jvm_along(tmp_path: Path) -> None:
    program = """
handle = open_session(SparkSpec(), app_name="x", short=True)
print(handle.jvm_pid(), flush=True)
import threading; threading.Thread(target=lambda: handle.spark.range(10**13).selectExpr("sum(id * id % 7)").collect()).start()
"""
    process = subprocess.Popen([sys.executable, "-c", _OPEN + program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    jvm = int(process.stdout.readline())
    time.sleep(1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while _is_alive(jvm):
        assert time.monotonic() < deadline, "the JVM outlives its Python process"
        time.sleep(0.05)
    process.stdout.close()


@pytest.mark.slow
def test_two_processes_never_both_commit_one_version(tmp_path: Path) -> None:
    """The local file system without forked processes must still create a commit only where there is none.

    At the pace of commits, that is: two that look for a version within the same microseconds are decision 7's.
    """
    program = """
import time
handle = open_session(SparkSpec(), app_name="x", short=True)
session, (table, name, rounds) = handle.flow_session("UTC"), sys.argv[1:]
session.conf.set("spark.databricks.delta.commitInfo.userMetadata", name)
for number in range(int(rounds)):
    session.range(number, number + 1).selectExpr("id", f"'{name}' AS who").coalesce(1).write.format("delta").mode("append").save(table)
handle.close()
"""
    rounds = 15
    table = str(tmp_path / "table")
    command = [sys.executable, "-c", _OPEN + program, table]
    assert subprocess.run([*command, "first", "1"], cwd=tmp_path, check=False, timeout=300).returncode == 0
    both = [subprocess.Popen([*command, name, str(rounds)], cwd=tmp_path) for name in ("a", "b")]
    assert [one.wait(300) for one in both] == [0, 0]
    history = DeltaTable(table).history()
    writers = [item["userMetadata"] for item in history]
    assert len(history) == 2 * rounds + 1
    assert writers.count("a") == writers.count("b") == rounds
    changes = sum(one != other for one, other in itertools.pairwise(writers))
    assert changes > 2, "the two did not write at the same time"
    rows = arrow(table).to_pylist()
    assert sorted((row["who"], row["id"]) for row in rows) == sorted(
        [("first", 0), *((name, number) for name in ("a", "b") for number in range(rounds))]
    )
