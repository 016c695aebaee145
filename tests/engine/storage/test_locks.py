"""One run at a time works on a flow: in one process, in two, and after one that was killed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from etl.engine.storage import holder as holders
from etl.engine.storage import locks
from etl.engine.storage.holder import Waiting
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import clean_up_after_dead_run, flow_lock
from etl.errors import LockHeld

HOLD = """
import os, sys, time
from etl.engine.storage.locks import flow_lock
from etl.engine.storage.layout import FlowPaths
root = sys.argv[1]
with flow_lock(FlowPaths(f"{root}/t", f"{root}/q", f"{root}/s", root), flow="f", run_id="theirs"):
    child = os.fork() if sys.argv[2:] == ["with a child"] else None
    if child == 0 or child is None:  # the child speaks for itself: only then has it let go of what it inherited
        print(f"held {os.getpid()}", flush=True)
    time.sleep(60)
"""


def places(root: Path) -> FlowPaths:
    return FlowPaths(f"{root}/t", f"{root}/q", f"{root}/s", str(root))


def holding(root: Path, *how: str) -> tuple[subprocess.Popen[str], str]:
    """A process that holds the flow's lock, and what it says of its child."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(root), *how], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    return holder, holder.stdout.readline().removeprefix("held ").strip()


def killed(holder: subprocess.Popen[Any]) -> None:
    holder.kill()
    holder.wait()
    if holder.stdout is not None:
        holder.stdout.close()


def test_of_two_threads_one_works_and_the_other_is_told_who_holds_the_flow(tmp_path: Path) -> None:
    paths, told = places(tmp_path), []

    def second() -> None:
        with pytest.raises(LockHeld) as refused, flow_lock(paths, flow="f", run_id="mine"):
            pass
        told.append(refused.value)

    with flow_lock(paths, flow="f", run_id="theirs"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    (refused,) = told
    assert f"flow 'f' is being worked on by run theirs (process {os.getpid()} on " in refused.what
    assert refused.exit_code == 5
    with flow_lock(paths, flow="f", run_id="later"):
        assert json.loads(Path(paths.lock).read_text(encoding="utf-8"))["run"] == "later"


def test_who_waits_gets_the_lock_when_it_is_free_or_is_refused_when_that_takes_too_long(tmp_path: Path) -> None:
    paths, told, got = places(tmp_path), [], []

    def second(at_most_s: float) -> None:
        try:
            with flow_lock(paths, flow="f", run_id="mine", waiting=Waiting(at_most_s, tell=told.append)):
                got.append(at_most_s)
        except LockHeld:
            got.append("refused")

    for at_most_s in (0.3, 60.0):
        with flow_lock(paths, flow="f", run_id="theirs"):
            thread = threading.Thread(target=second, args=(at_most_s,))
            thread.start()
            thread.join(timeout=1.5)
        thread.join()
    assert got == ["refused", 60.0]
    assert [text.split(" on ")[0] for text in told] == [f"run theirs (process {os.getpid()}"] * 2


def test_a_process_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    paths = places(tmp_path)
    holder, _ = holding(tmp_path)
    try:
        with (
            pytest.raises(LockHeld, match=rf"run theirs \(process {holder.pid} on "),
            flow_lock(paths, flow="f", run_id="m"),
        ):
            pass
    finally:
        killed(holder)
    left = json.loads(Path(paths.lock).read_text(encoding="utf-8"))
    assert left["run"] == "theirs", "its words are still there, its lock is not"
    with flow_lock(paths, flow="f", run_id="mine"):
        assert json.loads(Path(paths.lock).read_text(encoding="utf-8"))["run"] == "mine"
    assert left_behind_in(tmp_path) == ["lock"]


def left_behind_in(folder: Path) -> list[str]:
    return sorted(str(item.relative_to(folder)) for item in folder.rglob("*") if item.is_file())


def test_a_child_that_outlives_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """A transform may fork (multiprocessing does): what it inherits would otherwise be locked until the child ends."""
    holder, child = holding(tmp_path, "with a child")
    killed(holder)
    try:
        os.kill(int(child), 0)  # it lives
        with flow_lock(places(tmp_path), flow="f", run_id="mine"):
            pass
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_who_waited_for_a_file_that_was_removed_locks_the_one_that_others_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, take, taken = places(tmp_path), locks._take, []  # noqa: SLF001  # the moment between opening and locking has no other name

    def removed_first(*given: Any, **options: Any) -> None:
        if not taken:
            Path(paths.lock).unlink()
        taken.append(1)
        take(*given, **options)

    monkeypatch.setattr(locks, "_take", removed_first)
    with (
        flow_lock(paths, flow="f", run_id="first"),
        pytest.raises(LockHeld, match="run first"),
        flow_lock(paths, flow="f", run_id="second"),
    ):
        pass
    assert len(taken) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 60_000,
        "\x00" * 300,
        '{"run": "x", "pid": 1, "since": 9e15}',
        '{"host": "elsewhere", "jvm": 1, "jvm_start": "1"}',
        '{"pid": "1", "jvm": "1", "jvm_start": []}',
    ],
)
def test_no_text_in_a_lock_file_stops_a_run(tmp_path: Path, text: str) -> None:
    paths = places(tmp_path)
    Path(paths.lock).write_text(text, encoding="utf-8")
    with flow_lock(paths, flow="f", run_id="mine"):
        assert json.loads(Path(paths.lock).read_text(encoding="utf-8"))["run"] == "mine"
    assert Path(paths.lock).read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({}, True),
        ({"host": "renamed"}, True),  # the machine has another name now, and is the same
        ({"pid": os.getpid()}, True),  # the new driver was given the number of the one that was killed
        ({"jvm_start": "another boot/5"}, False),  # the number is another process's now, or another machine's
        ({"jvm": 2**22 + 1}, False),  # nobody has this number
        ({"pid": os.getpid(), "start": "our own"}, False),  # this process goes on with its own JVM
    ],
)
def test_the_jvm_of_a_killed_driver_is_waited_for_and_no_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], waits: bool
) -> None:
    monkeypatch.setattr(holders, "_WAIT_FOR_JVM_S", 0.1)
    paths = places(tmp_path)
    jvm = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        with flow_lock(paths, flow="f", run_id="theirs") as lock:
            lock.tell_jvm(jvm.pid)
            words = json.loads(Path(paths.lock).read_text(encoding="utf-8"))
        own = {"start": words["start"]} if changed.get("start") == "our own" else {}
        words |= {"pid": 1, "start": "before"} | changed | own
        Path(paths.lock).write_text(json.dumps(words), encoding="utf-8")
        if waits:
            told = f"the JVM {jvm.pid} of a run that was killed is still alive"
            with pytest.raises(LockHeld, match=told), flow_lock(paths, flow="f", run_id="mine"):
                pass
            killed(jvm)
        with flow_lock(paths, flow="f", run_id="mine"):
            pass
    finally:
        killed(jvm)


def test_who_comes_after_a_killed_run_takes_away_what_it_left_and_nothing_else(tmp_path: Path) -> None:
    """In a process that works on: a draft of a writer that lives, in any process, stays."""
    paths = places(tmp_path)
    files = {
        "g0/generation.json": True,
        "g0/etl/counts/0.json": True,
        "g0/offsets/0": True,
        "g0/offsets/.0.crc": True,
        "g0/offsets/.1.c0ffee.tmp": False,
        "g0/offsets/..1.c0ffee.tmp.crc": False,
        "g0/etl/.counts.json.abc.draft": False,
        "g0/etl/stop-theirs": False,
        "g0/etl/stop-theirs.json": False,
        "g0/etl/failure-theirs.json": False,
        "g1/.generation.json.abc.draft": False,
        "t/part-0.parquet": True,
        "t/_delta_log/0.json": True,
        "t/_delta_log/.1.json.c0ffee.tmp": False,
    }
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    live = (tmp_path / "g0" / ".metadata.live.draft").open("w")
    fcntl.flock(live, fcntl.LOCK_EX)
    growing = tmp_path / "t/_delta_log/.2.json.c0ffee.tmp"
    growing.write_text("x", encoding="utf-8")
    clean_up_after_dead_run(paths, flow="f", run_id="mine")
    assert set(files) <= set(left_behind_in(tmp_path)), "nobody was killed: nothing is looked at"
    Path(paths.lock).write_text("words of somebody who was killed", encoding="utf-8")
    with flow_lock(paths, flow="f", run_id="mine"):
        growing.write_text("a foreign commit under way", encoding="utf-8")
    live.close()
    kept = [name for name, stays in files.items() if stays]
    assert left_behind_in(tmp_path) == sorted(
        [*kept, "lock", "g0/.metadata.live.draft", "t/_delta_log/.2.json.c0ffee.tmp"]
    )
    assert not (tmp_path / "g1").exists(), "a generation that was never opened"


def test_a_flow_that_somebody_works_on_is_left_to_them(tmp_path: Path) -> None:
    holder, _ = holding(tmp_path)
    (tmp_path / ".table.json.abc.draft").touch()
    try:
        clean_up_after_dead_run(places(tmp_path), flow="f", run_id="mine")
        assert (tmp_path / ".table.json.abc.draft").exists()
    finally:
        killed(holder)
    clean_up_after_dead_run(places(tmp_path), flow="f", run_id="mine")
    assert left_behind_in(tmp_path) == ["lock"]
    assert (tmp_path / "lock").stat().st_size == 0
