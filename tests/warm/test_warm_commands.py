"""Commands in a session that stays: what they put out, how they end, what they see and what they leave, as whole processes at real terminals."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import LITTLE_DATA, tune
from tests.support.engine_cases import land, model, table, write_project
from tests.support.leftovers import left_behind
from tests.support.screen import CTRL_C, Terminal
from tests.support.warm_session import Warm, is_gone, kill, staying

ORDERS = [{"id": number, "who": "a", "amount": 1, "seq": number, "gone": False} for number in range(8)]
GOES_ON = "what is committed stays, and the next run goes on from there"
SEEN = """
version: 1
name: seen
params: {word: "${env:SEEN_WORD}"}
sources:
  orders: {format: json, path: landing/orders, schema: "id BIGINT"}
flows:
  words: {inputs: [orders], transform: {python: "transforms:words"}, incremental: rows}
tests:
  - {name: one, flow: words, given: {orders: [{id: 1}]}, expect: [{id: 1, code: first, driver: nothing, worker: nothing, found: ""}]}
"""
CODE = """
import os
from pyspark.sql import DataFrame, functions as F

@F.udf("string")
def of_worker(number):
    return os.environ.get("SEEN_BY_WORKER", "nothing")

FOUND = []

def look(spark):
    if "SEEN_LEAVES" not in os.environ:
        return ""
    if not FOUND:  # a preview calls the transform more than once
        tables = [*spark.catalog.listTables("default"), *spark.catalog.listTables("global_temp")]
        FOUND.append(", ".join(sorted(table.name for table in tables)) + spark.conf.get("spark.my.own", ""))
        spark.range(1).createOrReplaceGlobalTempView("left_view")
        spark.range(1).write.saveAsTable("left_table")
        spark.range(1).cache().count()
        spark.conf.set("spark.my.own", "left")
        spark.readStream.format("rate").load().writeStream.format("noop").start()
    return FOUND[0]

def words(orders: DataFrame) -> DataFrame:
    seen = os.environ.get("SEEN_BY_DRIVER", "nothing")
    return orders.filter("id = 1").select("id", F.lit("VERSION").alias("code"), F.lit(seen).alias("driver"), of_worker("id").alias("worker"),
                                           F.lit(look(orders.sparkSession)).alias("found"))
"""
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:  # short: the path of a socket may not be long
        root = write_project(Path(folder, "project"))
        tune(root)
        for order in ORDERS:
            land(root, f"{order['id']}.json", [order])
        (root / "pipelines" / "seen").mkdir()
        (root / "pipelines" / "seen" / "pipeline.yml").write_text(SEEN, encoding="utf-8")
        write_code(root, "first")
        runtime = Path(folder, "run")
        runtime.mkdir(mode=0o700)
        with staying(root, runtime) as session:
            yield session


def write_code(root: Path, version: str) -> None:
    (root / "pipelines" / "seen" / "transforms.py").write_text(CODE.replace("VERSION", version), encoding="utf-8")


@pytest.fixture
def ready(warm: Warm) -> Warm:
    """The session, ready for a command, and nothing in storage."""
    warm.ready()
    shutil.rmtree(warm.project / ".etl", ignore_errors=True)
    return warm


def without_times(text: str) -> str:
    """Without what two runs of the same command never have in common."""
    text = re.sub(r"\d{8}T\d{6}-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[0-9:+]+", "TIME", text)
    text = re.sub(r"\d+\.\d+ s\b", "T s", text)
    text = re.sub(r'"duration_s": [0-9.]+', '"duration_s": T', text)
    return re.sub(r"\s+\d+\.\d$", " T", text, flags=re.MULTILINE)


COMMANDS = (
    ("plan", "shop"),
    ("plan", "shop", "--json"),
    ("preview", "shop", "clean"),
    ("preview", "shop", "nothing"),
    ("run", "shop", "--select", "clean", "--json"),
    ("run", "shop", "--mode", "stream", "--select", "latest", "--json"),
    ("test", "seen"),
    ("run", "shop", "--nonsense"),
    ("verify", "shop", "--select", "clean", "--splits", "0", "--json"),
)


def test_what_a_command_puts_out_writes_and_ends_with_is_the_same(ready: Warm) -> None:
    def played(*more: str) -> tuple[list[tuple[int, str, str]], list[object]]:
        shutil.rmtree(ready.project / ".etl", ignore_errors=True)
        said = []
        for command in COMMANDS:
            code, output, errors = ready.etl(*command, *more, SEEN_WORD="secret-word")
            lines = sorted(without_times(errors).splitlines())
            said.append((code, without_times(output), "\n".join(lines)))
            if not more:
                ready.ready()
        return said, [table(ready.project, flow) for flow in ("clean", "latest")]

    before = ready.commands()
    warm, warm_tables = played()
    assert ready.commands() == before + len(COMMANDS), ready.status()
    cold, cold_tables = played("--cold")
    assert ready.commands() == before + len(COMMANDS)
    for command, one, other in zip(COMMANDS, warm, cold, strict=True):
        assert one == other, command
    assert [code for code, _, _ in warm] == [0, 0, 0, 2, 0, 0, 0, 2, 0]
    assert warm_tables == cold_tables == [model(ORDERS)["clean"], model(ORDERS)["latest"]]
    assert not left_behind(ready.project / ".etl" / "local")


def test_a_terminal_shows_the_same(ready: Warm) -> None:
    shown = []
    for more in ((), ("--cold",)):
        shutil.rmtree(ready.project / ".etl", ignore_errors=True)
        with ready.terminal("run", "shop", "--select", "clean", *more) as terminal:
            code = terminal.end()
            assert terminal.is_as_before
            shown.append((code, terminal.colours > 0, without_times(terminal.text)))
        ready.ready()
    assert shown[0] == shown[1]


def test_code_and_variables_are_those_of_each_command(ready: Warm) -> None:
    before = ready.commands()

    def words(**variables: str) -> tuple[str, str, str]:
        code, output, errors = ready.etl(
            "preview", "seen", "words", "--json", SEEN_WORD="abc", SEEN_LEAVES="much", **variables
        )
        assert code == 0, output + errors
        ((row,)) = json.loads(output)["rows"]
        ready.ready()
        assert row["found"] == "", "an earlier command has left it"
        return row["code"], row["driver"], row["worker"]

    assert words(SEEN_BY_DRIVER="one", SEEN_BY_WORKER="two") == ("first", "one", "two")
    write_code(ready.project, "second")
    assert words() == ("second", "nothing", "nothing")
    assert ready.commands() == before + 2
    code, output, errors = ready.etl("plan", "seen")
    assert (code, "SEEN_WORD is not set" in errors) == (2, True), output + errors


def test_ctrl_c_once_lets_the_epoch_end_and_the_jvm_stays(ready: Warm) -> None:
    jvm = ready.ready()["jvm_pid"]
    with _interval(ready) as terminal:
        terminal.type(CTRL_C)
        assert terminal.end() == 130, terminal.text
        assert terminal.is_as_before
        assert f"interrupted: {GOES_ON}" in terminal.text
    assert ready.ready()["jvm_pid"] == jvm
    assert not left_behind(ready.project / ".etl" / "local")


def _interval(ready: Warm) -> Terminal:
    """A stream at an interval, at a terminal, that has committed."""
    terminal = ready.terminal("run", "shop", "--mode", "stream", "--trigger", "1 second", "--select", "clean")
    _until(lambda: _committed(ready))
    return terminal


def _committed(ready: Warm) -> bool:
    return (ready.project / ".etl/local/tables/shop/clean/_delta_log/00000000000000000000.json").exists()


def _until(holds: Callable[[], bool]) -> None:
    patience = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < patience
        time.sleep(0.05)


def test_ctrl_c_twice_ends_at_once_with_its_jvm_and_the_next_run_goes_on(ready: Warm) -> None:
    jvm = ready.ready()["jvm_pid"]
    with _interval(ready) as terminal:
        terminal.type(CTRL_C)
        terminal.wait_for("once more ends at once")
        terminal.type(CTRL_C)
        assert terminal.end() == 130, terminal.text
        assert terminal.is_as_before
        assert is_gone(jvm, within_s=5), "what worked for the command may commit no more"
    code, output, errors = ready.etl("run", "shop", "--mode", "stream", "--select", "clean")
    assert code == 0, output + errors
    assert table(ready.project, "clean") == model(ORDERS)["clean"]
    assert ready.ready()["jvm_pid"] != jvm


def test_a_window_that_is_closed_and_a_process_that_is_killed_stop_the_command(ready: Warm) -> None:
    for end in (Terminal.hang_up, lambda terminal: terminal.process.kill()):
        with _interval(ready) as terminal:
            end(terminal)
            terminal.process.wait(60)
        session = ready.ready()
        assert session["commands"] > 0
        assert not left_behind(ready.project / ".etl" / "local")
        shutil.rmtree(ready.project / ".etl")


def test_of_two_commands_at_once_the_second_runs_by_itself(ready: Warm) -> None:
    with _interval(ready) as terminal:
        before = ready.status()
        assert before is not None
        assert before["state"] == "busy"
        code, output, errors = ready.etl("preview", "shop", "clean")
        assert code == 0, output + errors
        after = ready.status()
        assert after is not None
        assert (after["commands"], after["declined"]) == (before["commands"], before["declined"] + 1)
        assert after["last_declined"] == "another command is in it"
        terminal.type(CTRL_C)
        assert terminal.end() == 130


def test_a_jvm_that_is_killed_is_replaced_idle_or_amid_a_command(ready: Warm) -> None:
    jvm = ready.ready()["jvm_pid"]
    kill(jvm)
    code, output, errors = ready.etl("preview", "shop", "clean")
    assert code == 0, output + errors
    jvm = ready.ready()["jvm_pid"]
    with _interval(ready) as terminal:
        kill(jvm)
        terminal.wait_for("was killed")
        terminal.type(CTRL_C)
        assert terminal.end() in (1, 130), terminal.text
    assert ready.ready()["jvm_pid"] != jvm
    code, output, errors = ready.etl("run", "shop", "--mode", "stream", "--select", "clean")
    assert code == 0, output + errors
    assert table(ready.project, "clean") == model(ORDERS)["clean"]


def test_a_session_that_was_killed_is_replaced_by_the_next_command(ready: Warm) -> None:
    session = ready.ready()
    kill(session["pid"])
    assert is_gone(session["jvm_pid"])
    code, output, errors = ready.etl("preview", "shop", "clean")
    assert code == 0, output + errors
    assert ready.ready()["pid"] != session["pid"]
    before = ready.commands()
    assert ready.etl("preview", "shop", "clean")[0] == 0
    assert ready.commands() == before + 1


def test_other_settings_and_other_variables_never_get_it(ready: Warm) -> None:
    conf = ready.project / "conf" / "local.yml"
    written = conf.read_text(encoding="utf-8")
    try:
        conf.write_text(
            json.dumps({"spark": {"conf": {**dict(LITTLE_DATA), "spark.driver.memory": "900m"}}}), encoding="utf-8"
        )
        code, output, errors = ready.etl("preview", "shop", "clean")
        assert code == 0, output + errors
        session = ready.ready()
        assert session["last_declined"] == "other settings: spark.driver.memory"
        conf.write_text(
            json.dumps({"spark": {"conf": {**dict(LITTLE_DATA), "spark.sql.shuffle.partitions": "3"}}}),
            encoding="utf-8",
        )
        assert ready.etl("preview", "shop", "clean")[0] == 0
        assert ready.ready()["declined"] == session["declined"], "a session can be told of that one"
    finally:
        conf.write_text(written, encoding="utf-8")
    for variables in ({"AWS_PROFILE": "other"}, {"TZ": "Asia/Tokyo"}, {"PYTHONHASHSEED": "1"}):
        before = ready.commands()
        assert ready.etl("plan", "shop", **variables)[0] == 0
        assert ready.commands() == before
        session = ready.ready()
        assert next(iter(variables)) in session["last_declined"] or session["last_declined"] == "python"
    before = ready.commands()
    inside = subprocess.run(
        [sys.executable, "-m", "etl", "plan", "shop"],
        cwd=ready.project / "pipelines",
        env={**os.environ, "XDG_RUNTIME_DIR": str(ready.runtime)},
        check=False,
        capture_output=True,
    )
    assert inside.returncode == 0
    assert ready.commands() == before, "typed in another folder it runs by itself"


def test_an_edited_package_never_gets_it(ready: Warm, tmp_path: Path) -> None:
    shutil.copytree(Path(__file__).parents[2] / "etl", tmp_path / "etl")
    before = ready.commands()
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv = ['etl', 'plan', 'shop']; from etl.__main__ import main; main()"],
        cwd=ready.project,
        env={**os.environ, "XDG_RUNTIME_DIR": str(ready.runtime)},
        check=False,
        capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert ready.commands() == before


def test_it_ends_when_nobody_comes(ready: Warm) -> None:
    ready.end()
    assert ready.status() is None
    session = ready.start("--idle", "1 second")
    assert is_gone(session["pid"], within_s=60)
    assert is_gone(session["jvm_pid"])
    assert ready.status() is None
    assert not list(ready.runtime.rglob("socket"))
    before = ready.start()
    assert ready.start()["pid"] == before["pid"], "one that is there stays as it is"
    os.kill(before["pid"], signal.SIGTERM)
    assert is_gone(before["pid"])
    ready.start()
