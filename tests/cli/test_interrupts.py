"""Ctrl-C, a closed window and a closed pipe, in each phase of a command: the exit code, the screen, and what is left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from etl.config.load import load
from etl.engine.session.jars import cache_root
from etl.engine.storage.holder import Waiting
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import flow_lock
from tests.conftest import LITTLE_DATA, tune
from tests.crash.killing import environment
from tests.crash.killing import run as etl
from tests.support.engine_cases import land, model, table, write_project
from tests.support.independent import rows
from tests.support.leftovers import left_behind
from tests.support.screen import CTRL_C, Terminal

ORDERS = [{"id": number, "who": "a", "amount": 1, "seq": number, "gone": False} for number in range(8)]
NOISE = ("Traceback", "py4j", "java.", "Exception", "unexpected error")
GOES_ON = "what is committed stays, and the next run goes on from there"
_SOON_S = 5.0  # a start of Spark takes about as long on a quiet machine
STOPPING = "stopping at the end of the epoch under way; once more ends at once"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = write_project(tmp_path / "project")
    tune(root)
    for order in ORDERS:
        land(root, f"{order['id']}.json", [order])
    (tmp_path / "tmp").mkdir()
    return root


def at_a_terminal(shop: Path, *command: str) -> Terminal:
    """Its temporary files have a folder of their own."""
    return Terminal(shop, *command, TMPDIR=str(shop.parent / "tmp"))


def ended_well(terminal: Terminal, shop: Path, code: int) -> None:
    assert terminal.end() == code, terminal.text
    assert terminal.is_as_before
    assert not [word for word in NOISE if word in terminal.text], terminal.text
    waited = time.monotonic() + 30
    while (any((shop.parent / "tmp").iterdir()) or _of_session(terminal)) and time.monotonic() < waited:
        time.sleep(0.2)
    assert not list((shop.parent / "tmp").iterdir()), "what is thrown away was left"
    assert not _of_session(terminal), "a process was left"


def recorded(shop: Path) -> list[dict[str, Any]]:
    """What the runs of a project have recorded, oldest first."""
    files = sorted((shop / ".etl" / "local" / "history" / "shop").glob("*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


@pytest.mark.system
def test_ctrl_c_before_there_is_a_jvm_ends_a_command_at_once(shop: Path) -> None:
    for command in (("run", "shop"), ("plan", "shop"), ("validate",)):
        for pause in (0, 0.2):
            with at_a_terminal(shop, *command) as terminal:
                _hears_signals(terminal)
                time.sleep(pause)
                terminal.type(CTRL_C)
                ended_well(terminal, shop, 130)
    assert not (shop / ".etl").exists() or not left_behind(shop / ".etl" / "local")


def test_a_signal_that_python_cannot_raise_ends_a_command_as_well() -> None:
    program = """
import os, signal
from etl.cli.signals import signals

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        print("the finalizer went on")

with signals():
    Finalized()
    print("the command went on")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "interrupted: nothing was written; the same command starts again\n"


@pytest.mark.system
def test_ctrl_c_while_the_jvm_starts_begins_nothing(shop: Path) -> None:
    with at_a_terminal(shop, "run", "shop", "--mode", "stream") as terminal:
        terminal.wait_for("running")
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert STOPPING in terminal.text
        assert "clean was skipped: the run was asked to stop" in terminal.text
        assert terminal.text.endswith(f"interrupted: {GOES_ON}")
    with at_a_terminal(shop, "run", "shop", "--mode", "stream") as terminal:
        _jvm_of(terminal, after_s=0)
        terminal.type(CTRL_C)
        began = time.monotonic()
        ended_well(terminal, shop, 130)
        assert time.monotonic() - began < _SOON_S, "it does not wait for a JVM that it needs no more"
    assert [item["status"] for item in recorded(shop)] == ["skipped", "skipped"]
    assert not (shop / ".etl" / "local" / "tables").exists()
    assert not left_behind(shop / ".etl" / "local")


@pytest.mark.system
@pytest.mark.parametrize(
    ("command", "said"),
    [(("run", "shop"), GOES_ON), (("preview", "shop", "clean"), "nothing was written; the same command starts again")],
)
def test_ctrl_c_twice_while_the_jvm_starts_leaves_nothing(shop: Path, command: tuple[str, ...], said: str) -> None:
    with at_a_terminal(shop, *command) as terminal:
        _jvm_of(terminal, after_s=0)
        terminal.type(CTRL_C)
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert terminal.text.count("interrupted: ") == 1
        assert f"interrupted: {said}" in terminal.text
    assert not (shop / ".etl" / "local" / "tables").exists()


@pytest.mark.system
def test_a_stream_stops_by_ctrl_c_twice_by_it_at_once_and_by_a_closed_window_and_the_next_run_goes_on(
    shop: Path,
) -> None:
    stream = ("run", "shop", "--mode", "stream", "--select", "+latest")
    with at_a_terminal(shop, *stream) as terminal:
        terminal.wait_for("epoch 1")
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert STOPPING in terminal.text
    assert 0 < len(table(shop, "clean")) < len(ORDERS)
    with at_a_terminal(shop, *stream) as terminal:
        terminal.wait_for("rows")
        terminal.type(CTRL_C)
        terminal.wait_for(STOPPING)
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert f"interrupted: {GOES_ON}" in terminal.text
    flows = {item["flow"]: item for item in recorded(shop)[-1]["flows"]}
    assert flows["clean"]["status"] in ("failed", "succeeded")
    assert "the run was ended at once" in json.dumps(flows)
    with at_a_terminal(shop, *stream, "--trigger", "1 hour") as terminal:
        terminal.wait_for("waits for data")
        terminal.hang_up()
        assert terminal.process.wait(120) == 129
    for name in ("clean", "latest"):
        assert table(shop, name) == model(list(ORDERS))[name]
    assert etl(shop, "audit", "shop").returncode == 0


@pytest.mark.system
@pytest.mark.parametrize("command", [("preview", "shop", "clean"), ("verify", "shop", "--select", "clean")])
def test_ctrl_c_ends_other_commands_at_once_with_their_jvm(shop: Path, command: tuple[str, ...]) -> None:
    with at_a_terminal(shop, *command) as terminal:
        jvm = _jvm_of(terminal)
        terminal.type(CTRL_C)
        began = time.monotonic()
        ended_well(terminal, shop, 130)
        assert time.monotonic() - began < 30
        assert terminal.text.endswith("interrupted: nothing was written; the same command starts again")
    assert not Path(f"/proc/{jvm}").exists()
    assert not (shop / ".etl").exists()


def _hears_signals(terminal: Terminal) -> None:
    """Until the command runs: what a signal does to Python before it has come so far is Python's own."""
    caught, ended = 0, time.monotonic() + 60
    while not caught & 1 << signal.SIGTERM - 1 and time.monotonic() < ended:
        status = Path(f"/proc/{terminal.process.pid}/status").read_text(encoding="ascii")
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        time.sleep(0.01)


def _of_session(terminal: Terminal) -> list[int]:
    """The processes that a terminal's command has left."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(words[3]) == terminal.process.pid and words[0] not in "ZX":
            found.append(int(folder.name))
    return found


def _jvm_of(terminal: Terminal, *, after_s: float = 4) -> int:
    """The process id of a command's JVM, a while after it was started; by then its session is there."""
    ended = time.monotonic() + 120
    while time.monotonic() < ended:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                group = os.getpgid(int(folder.name))
            except OSError:  # it has ended meanwhile
                continue
            if group == terminal.process.pid and b"SparkSubmit" in words and b"java" in words.split(b"\0")[0]:
                time.sleep(after_s)
                return int(folder.name)
        time.sleep(0.1)
    raise AssertionError(f"there was no JVM:\n{terminal.text}")


@pytest.mark.system
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(shop: Path) -> None:
    for command in (("plan", "shop"), ("schema", "pipeline"), ("plan", "shop", "--json")):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "etl", *command],
            cwd=shop,
            env=environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=120,
        )
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, b""), command


@pytest.mark.system
def test_output_that_is_closed_or_full_is_no_fault_of_ours(shop: Path) -> None:
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m etl plan shop >&- 2>&-"],
        cwd=shop,
        env=environment(),
        check=False,
        timeout=120,
    )
    assert closed.returncode == 0
    full = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m etl plan shop >/dev/full"],
        cwd=shop,
        env=environment(),
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert full.returncode == 4
    assert full.stderr.startswith("No space left on device")


@pytest.mark.system
@pytest.mark.parametrize("command", [["--help"], ["runn"], ["run", "nowhere"], ["validate", "nowhere", "--json"]])
def test_help_and_mistakes_that_nobody_reads_or_that_find_no_room_are_no_failure_of_ours(
    shop: Path, command: list[str]
) -> None:
    stream = "stdout" if command[0] in ("--help", "validate") else "stderr"
    reading, nobody = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("w", encoding="ascii") as full:
        for where, code in ((full.fileno(), 4), (nobody, 141)):
            done = subprocess.run(
                [sys.executable, "-m", "etl", *command],
                cwd=shop,
                env=environment(),
                check=False,
                timeout=120,
                **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: where},  # type: ignore[call-overload]  # by name
            )
            assert done.returncode == code
            assert b"Traceback" not in (done.stdout or b"") + (done.stderr or b"")
    os.close(nobody)


@pytest.mark.system
def test_ctrl_c_in_the_pause_before_a_retry_ends_the_run_at_once_and_nothing_of_the_dead_jvm_is_shown(
    shop: Path,
) -> None:
    with at_a_terminal(shop, "run", "shop", "--mode", "stream", "--select", "clean") as terminal:
        terminal.wait_for("epoch 1")
        os.kill(_jvm_of(terminal, after_s=0), signal.SIGKILL)
        terminal.wait_for("trying again in 5 s")
        terminal.type(CTRL_C)
        began = time.monotonic()
        assert terminal.end() == 130, terminal.text
        assert time.monotonic() - began < _SOON_S
        assert terminal.is_as_before
        assert not [word for word in ("Traceback", "py4j", "java.") if word in terminal.text], terminal.text
        assert terminal.text.endswith(f"interrupted: {GOES_ON}")
    assert [item["status"] for item in recorded(shop)] == ["failed"]


@pytest.mark.system
def test_a_run_that_waits_for_its_turn_ends_by_ctrl_c(shop: Path) -> None:
    spec = load("shop", project=shop)
    paths = FlowPaths.of(spec, spec.flows[0])
    with (
        flow_lock(paths, flow="clean", run_id="a-backfill", waiting=Waiting(in_turns=True)),
        at_a_terminal(shop, "run", "shop", "--select", "clean") as terminal,
    ):
        terminal.wait_for("waits for run a-backfill")
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert "clean was skipped: the run was asked to stop" in terminal.text
        assert "is being worked on" not in terminal.text


@pytest.mark.system
def test_a_backfill_that_is_interrupted_says_how_to_go_on_and_is_recorded(shop: Path) -> None:
    assert etl(shop, "run", "shop", "--select", "clean").returncode == 0
    asked = ("--column", "id", "--from", "0", "--to", "8", "--window", "1")
    with at_a_terminal(shop, "backfill", "shop", "--select", "clean", *asked) as terminal:
        terminal.wait_for("window 1 of 8")
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert terminal.text.endswith("interrupted: its committed windows stay; the same command goes on with the rest")
    found = recorded(shop)[-1]
    assert (found["mode"], found["status"], found["error"]) == ("backfill", "failed", "the run was ended at once")
    assert 1 <= found["done"] < 8
    assert sorted(table(shop, "clean")) == sorted(model(list(ORDERS))["clean"])
    assert etl(shop, "audit", "shop").returncode == 0


@pytest.mark.system
def test_ctrl_c_ends_the_making_of_a_class_data_archive_with_all_that_works_on_it(shop: Path) -> None:
    cache = shop.parent / "cache"
    cache.mkdir()
    (cache / "jars").symlink_to(cache_root() / "jars")
    for presses in (1, 2):
        with Terminal(shop, "doctor", TMPDIR=str(shop.parent / "tmp"), TWILIGHT_CACHE=str(cache)) as terminal:
            waited = time.monotonic() + 120
            while not _trainings(cache) and time.monotonic() < waited:
                time.sleep(0.1)
            time.sleep(1)
            assert len(_trainings(cache)) == 1
            for _ in range(presses):
                terminal.type(CTRL_C)
            ended_well(terminal, shop, 130)
            assert terminal.text.endswith("interrupted: what was fetched stays; the same command goes on")
        assert not _trainings(cache)
    assert not list((cache / "archives").glob("*.jsa"))


def _trainings(cache: Path) -> list[str]:
    """The JVMs that are about to leave an archive in a cache."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "java" in words[0] and f"ArchiveClassesAtExit={cache}" in " ".join(words):
                found.append(folder.name)
    return found


@pytest.mark.system
def test_a_run_that_is_stopped_by_ctrl_z_gives_the_cursor_back_goes_on_in_front_and_follows_a_window_that_is_resized(
    shop: Path,
) -> None:
    with Terminal(shop, columns=100, program=("bash", "--norc", "--noprofile", "-i"), PS1="$ ") as shell:
        shell.wait_for("$ ")
        shell.type(f"{sys.executable} -m etl run shop --select clean\n")
        shell.wait_for("running")
        shell.type("\x1a")
        shell.wait_for("Stopped")
        assert shell.shows_cursor
        shell.resize(40, 5)
        shell.type("fg; echo ended with $?.\n")
        time.sleep(1)
        shell.resize(120, 60)
        shell.wait_for("ended with 0.")
        assert shell.shows_cursor
        assert "clean  succeeded" in shell.text
        assert not [word for word in NOISE if word in shell.text]
        shell.type("exit\n")
        shell.end()


@pytest.mark.system
def test_a_command_needs_neither_a_home_nor_an_open_input_nor_a_folder_that_can_be_written(shop: Path) -> None:
    file = shop / "pipelines" / "shop.yml"
    for words in (
        f"unset HOME; {sys.executable} -m etl plan shop <&-",
        f"cd /proc && {sys.executable} -m etl plan {file} </dev/null",
        f"umask 077; {sys.executable} -m etl init fresh && cd fresh && {sys.executable} -m etl validate",
        f"{sys.executable} -m etl plan shop & wait $!",
    ):
        done = subprocess.run(
            ["bash", "-c", words],
            cwd=shop,
            env=environment(),
            check=False,
            timeout=120,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), words
    assert {stat.S_IMODE(item.stat().st_mode) & 0o077 for item in (shop / "fresh").rglob("*")} == {0}


LINES = """
version: 1
name: {name}
sources: {{s: {{format: csv, path: landing, schema: "id INT", rate_limit: {{files: 1}}}}}}
flows: {{lines_of_{name}: {{inputs: [s]}}}}
"""


@pytest.mark.system
def test_several_pipelines_in_a_jvm_for_each_of_their_settings_stop_by_ctrl_c_and_the_next_command_goes_on(
    tmp_path: Path,
) -> None:
    for name, memory in (("one", "512m"), ("two", "600m")):
        root = tmp_path / name
        for number in range(4):
            (root / "landing").mkdir(parents=True, exist_ok=True)
            (root / "landing" / f"{number}.csv").write_text(f"{number}\n", encoding="utf-8")
        (root / "pipelines").mkdir()
        (root / "pipelines" / f"{name}.yml").write_text(LINES.format(name=name), encoding="utf-8")
        (root / "conf").mkdir()
        conf = {**dict(LITTLE_DATA), "spark.driver.memory": memory}
        (root / "conf" / "local.yml").write_text(json.dumps({"spark": {"conf": conf}}), encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    one, two = tmp_path / "one", tmp_path / "two"
    both = ("run", "one", str(two / "pipelines/two.yml"), "--mode", "stream")
    with at_a_terminal(one, *both) as terminal:
        terminal.wait_for("epoch 1")
        terminal.type(CTRL_C)
        ended_well(terminal, one, 130)
        assert STOPPING in terminal.text
        assert "lines_of_two was skipped: the run was asked to stop" in terminal.text
    with at_a_terminal(one, *both) as terminal:
        first = _jvm_of(terminal)
        terminal.wait_for("two: needs another Spark session")
        assert not Path(f"/proc/{first}").exists(), "the first JVM ends before the second begins"
        ended_well(terminal, one, 0)
    for name, root in (("one", one), ("two", two)):
        assert rows(root / f".etl/local/tables/{name}/lines_of_{name}") == [(number,) for number in range(4)]
        assert not left_behind(root / ".etl" / "local")
