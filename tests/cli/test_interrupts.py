"""Ctrl-C, a closed window and a closed pipe, in each phase of a command: the exit code, the screen, and what is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import tune
from tests.crash.killing import environment
from tests.crash.killing import run as etl
from tests.engine_cases import land, model, table, write_project
from tests.leftovers import left_behind
from tests.screen import CTRL_C, Terminal

ORDERS = [{"id": number, "who": "a", "amount": 1, "seq": number, "gone": False} for number in range(8)]
NOISE = ("Traceback", "py4j", "java.", "Exception", "unexpected error")
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
    while any((shop.parent / "tmp").glob("twilight-*")) and time.monotonic() < waited:
        time.sleep(0.2)
    assert not list((shop.parent / "tmp").glob("twilight-*")), "what is thrown away was left"


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


@pytest.mark.system
def test_ctrl_c_while_the_jvm_starts_begins_nothing(shop: Path) -> None:
    with at_a_terminal(shop, "run", "shop", "--mode", "stream") as terminal:
        terminal.wait_for("running")
        terminal.type(CTRL_C)
        ended_well(terminal, shop, 130)
        assert STOPPING in terminal.text
        assert "clean was skipped: the run was asked to stop" in terminal.text
    assert not (shop / ".etl" / "local" / "tables").exists()
    assert not left_behind(shop / ".etl" / "local")


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
    with at_a_terminal(shop, *stream, "--trigger", "1 hour") as terminal:
        terminal.wait_for("latest  succeeded")
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
    assert not Path(f"/proc/{jvm}").exists()
    assert not (shop / ".etl").exists()


def _hears_signals(terminal: Terminal) -> None:
    """Until the command runs: what a signal does to Python before it has come so far is Python's own."""
    caught, ended = 0, time.monotonic() + 60
    while not caught & 1 << signal.SIGTERM - 1 and time.monotonic() < ended:
        status = Path(f"/proc/{terminal.process.pid}/status").read_text(encoding="ascii")
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        time.sleep(0.01)


def _jvm_of(terminal: Terminal) -> int:
    """The process id of a command's JVM, a while after its session is there."""
    ended = time.monotonic() + 120
    while time.monotonic() < ended:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes()
                group = os.getpgid(int(folder.name))
            except OSError:  # it has ended meanwhile
                continue
            if group == terminal.process.pid and b"SparkSubmit" in words and b"java" in words.split(b"\0")[0]:
                time.sleep(4)
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
