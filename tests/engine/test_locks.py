"""One run at a time works on a flow: in one process, in two, and after one that was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etl.engine.locks import flow_lock
from etl.errors import LockHeld

HOLD = """
import sys, time
from etl.engine.locks import flow_lock
with flow_lock(sys.argv[1], flow="f", run_id="theirs"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_of_two_threads_one_works_and_the_other_is_told_who_holds_the_flow(tmp_path: Path) -> None:
    path, told = str(tmp_path / "lock"), []

    def second() -> None:
        with pytest.raises(LockHeld) as refused, flow_lock(path, flow="f", run_id="mine"):
            pass
        told.append(refused.value)

    with flow_lock(path, flow="f", run_id="theirs"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    (refused,) = told
    assert f"flow 'f' is being worked on by run theirs (process {os.getpid()} on " in refused.what
    assert refused.exit_code == 1
    with flow_lock(path, flow="f", run_id="later"):
        assert json.loads(Path(path).read_text(encoding="utf-8"))["run"] == "later"


def test_a_process_that_is_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockHeld, match=rf"run theirs \(process {holder.pid} on "),
            flow_lock(path, flow="f", run_id="m"),
        ):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    assert (
        json.loads(Path(path).read_text(encoding="utf-8"))["run"] == "theirs"
    )  # its words are still there, its lock is not
    with flow_lock(path, flow="f", run_id="mine"):
        assert json.loads(Path(path).read_text(encoding="utf-8"))["run"] == "mine"


@pytest.mark.parametrize(
    "text", ["", "{", '{"run": "x", "pid": 1}', '{"host": "elsewhere", "jvm": 1, "jvm_start": "1"}', "[]"]
)
def test_no_text_in_a_lock_file_stops_a_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_text(text, encoding="utf-8")
    with flow_lock(str(path), flow="f", run_id="mine"):
        assert json.loads(path.read_text(encoding="utf-8"))["run"] == "mine"
    assert path.read_text(encoding="utf-8") == ""
