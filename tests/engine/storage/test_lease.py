"""The lock of a flow in a bucket: one works, the other is told who, and one that is gone stops nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from etl.engine.storage import holder, lease, object_store
from etl.engine.storage.layout import FlowPaths
from etl.engine.storage.locks import clean_up_after_dead_run, flow_lock, is_held_in_turns, must_hold
from etl.engine.storage.object_store import ObjectPlace
from etl.errors import EnvironmentProblem, FlowFailed, LockHeld

if TYPE_CHECKING:
    from tests.support.s3 import S3

pytestmark = pytest.mark.system

HOLD = """
import json, sys, time
from etl.engine.storage import lease, object_store
from etl.engine.storage.locks import flow_lock
from etl.engine.storage.layout import FlowPaths
root, conf, lease.BEAT_S, lease.LEASE_S = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
object_store.use(root, conf)
with flow_lock(FlowPaths(f"{root}/t", f"{root}/q", f"{root}/s", root), flow="f", run_id="theirs") as lock:
    print("held", flush=True)
    for line in sys.stdin:
        try:
            lock.must_hold()
        except Exception as cause:
            print(type(cause).__name__, flush=True)
        else:
            print("mine", flush=True)
"""
BEAT, LEASE = 0.25, 1.5


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_S", BEAT)
    monkeypatch.setattr(lease, "LEASE_S", LEASE)
    monkeypatch.setattr(lease, "_LOOK_S", 0.05)


@pytest.fixture(scope="module")
def bucket(s3: S3) -> str:
    uri = s3.make_bucket("leases")
    object_store.use(uri, s3.conf())
    return uri


@pytest.fixture
def paths(bucket: str, request: pytest.FixtureRequest) -> FlowPaths:
    root = f"{bucket}/{request.node.name}"
    return FlowPaths(f"{root}/t", f"{root}/q", f"{root}/s", root)


def holding(s3: S3, paths: FlowPaths) -> subprocess.Popen[str]:
    """A process that holds the flow's lock."""
    found = subprocess.Popen(
        [sys.executable, "-c", HOLD, paths.checkpoints, json.dumps(s3.conf()), str(BEAT), str(LEASE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert answer(found) == "held"
    return found


def answer(process: subprocess.Popen[str], question: str = "") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if question:
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def words(paths: FlowPaths) -> dict[str, Any]:
    found = ObjectPlace.of(paths.lock).read_bytes()
    return dict(json.loads(found)) if found else {}


def elsewhere(paths: FlowPaths, **changed: Any) -> None:
    """Make the lock one of a process on another machine, of which this one knows nothing."""
    ObjectPlace.of(paths.lock).put(
        json.dumps(words(paths) | {"machine": "another", "host": "machine-b"} | changed).encode()
    )


def test_of_two_one_works_and_the_other_is_told_who_holds_the_flow(s3: S3, paths: FlowPaths) -> None:
    theirs = holding(s3, paths)
    try:
        told = rf"flow 'f' is being worked on by run theirs \(process {theirs.pid} on "
        with pytest.raises(LockHeld, match=told) as refused, flow_lock(paths, flow="f", run_id="mine"):
            pass
        assert refused.value.exit_code == 5
        assert answer(theirs, "still?") == "mine"
        clean_up_after_dead_run(paths, flow="f", run_id="mine")  # it works: what is there is its own
        assert words(paths)["run"] == "theirs"
    finally:
        assert theirs.stdin is not None
        theirs.stdin.close()
        theirs.wait()
    assert words(paths) == {}, "it has left in good order"
    began = time.monotonic()
    with flow_lock(paths, flow="f", run_id="mine"):
        assert words(paths)["run"] == "mine"
    assert time.monotonic() - began < LEASE, "nobody was waited for"


def test_in_one_process_too(paths: FlowPaths) -> None:
    with (
        flow_lock(paths, flow="f", run_id="first"),
        pytest.raises(LockHeld, match="run first"),
        flow_lock(paths, flow="f", run_id="second"),
    ):
        pass


def test_a_process_that_is_killed_on_this_machine_holds_nothing_any_more(
    s3: S3, paths: FlowPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = holding(s3, paths)
    ended(theirs)
    monkeypatch.setattr(lease, "LEASE_S", 60.0)  # longer than the test may take: it is not waited for
    place = ObjectPlace.of(paths.checkpoints) / "g0" / "etl" / "stop-theirs"
    place.touch()
    with flow_lock(paths, flow="f", run_id="mine"):
        assert words(paths)["run"] == "mine"
        assert not place.exists(), "what it has left is taken away"


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_one_on_another_machine_that_is_gone_is_outlived(s3: S3, paths: FlowPaths, how: str) -> None:
    theirs = holding(s3, paths)
    try:
        os.kill(theirs.pid, signal.SIGKILL if how == "killed" else signal.SIGSTOP)
        elsewhere(paths)
        began = time.monotonic()
        with flow_lock(paths, flow="f", run_id="mine"):
            assert time.monotonic() - began > LEASE, "nobody knows that it is gone before its lease is over"
            assert words(paths)["run"] == "mine"
            if how == "paused":
                os.kill(theirs.pid, signal.SIGCONT)
                time.sleep(2 * BEAT)
                assert answer(theirs, "still?") == "FlowFailed", "it finds that it is not its own any more"
            must_hold(paths, flow="f", run_id="mine")
        assert words(paths) == {}
    finally:
        ended(theirs)
    assert words(paths) == {}, "one that has lost it does not touch it"


def test_before_a_commit_the_store_is_asked(paths: FlowPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two beats a holder that was paused knows nothing yet."""
    monkeypatch.setattr(lease, "BEAT_S", 1.0)
    with flow_lock(paths, flow="f", run_id="mine") as lock:
        must_hold(paths, flow="f", run_id="mine")
        elsewhere(paths, run="other", token="theirs")
        with pytest.raises(FlowFailed, match="its lock is held by run other"):
            must_hold(paths, flow="f", run_id="mine")
        lock.must_hold()  # it knows nothing of it yet
        time.sleep(1.5)
        with pytest.raises(FlowFailed, match="its lock is held by run other"):
            lock.must_hold()
    assert words(paths)["run"] == "other"


def test_a_run_that_fails_lets_go_at_once_and_the_next_one_clears_up(
    paths: FlowPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 60.0)
    left = ObjectPlace.of(paths.checkpoints) / "g0" / "offsets" / ".3.c0ffee.tmp"

    def fails() -> None:
        with flow_lock(paths, flow="f", run_id="first"):
            left.touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert words(paths)["gave_up"] is True
    clean_up_after_dead_run(paths, flow="f", run_id="second")
    assert not left.exists()
    assert words(paths) == {}


def test_who_holds_it_often_and_never_for_long_is_waited_for(paths: FlowPaths) -> None:
    told: list[str] = []
    with flow_lock(paths, flow="f", run_id="backfill", waiting=holder.Waiting(in_turns=True, tell=told.append)):
        assert is_held_in_turns(paths.lock)
        thread = threading.Timer(3 * BEAT, lambda: None)
        thread.start()

        def later() -> None:
            with flow_lock(paths, flow="f", run_id="run"):
                told.append("run had its turn")

        waiting = threading.Thread(target=later)
        waiting.start()
        thread.join()
    waiting.join(30)
    assert told == ["run had its turn"]
    assert not is_held_in_turns(paths.lock)


def test_one_that_died_in_its_turn_is_not_waited_for_for_ever(paths: FlowPaths) -> None:
    with flow_lock(paths, flow="f", run_id="backfill", waiting=holder.Waiting(in_turns=True)):
        theirs = words(paths)
    ObjectPlace.of(paths.lock).put(json.dumps(theirs | {"machine": "another"}).encode())
    assert not is_held_in_turns(paths.lock)
    with flow_lock(paths, flow="f", run_id="mine"):
        pass


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "\x00" * 300, '{"run": "x", "pid": 1, "since": 9e15}', '{"pid": "1", "jvm": "1", "jvm_start": []}'],
)
def test_no_text_in_a_lock_stops_a_run_for_good(paths: FlowPaths, text: str) -> None:
    ObjectPlace.of(paths.lock).put(text.encode())
    with flow_lock(paths, flow="f", run_id="mine"):
        assert words(paths)["run"] == "mine"
    assert words(paths) == {}


def test_many_that_want_it_never_have_it_at_once(paths: FlowPaths) -> None:
    inside, most, turns = [0], [0], [0]

    def work(number: int) -> None:
        for _ in range(6):
            with flow_lock(paths, flow="f", run_id=str(number), waiting=holder.Waiting(in_turns=True)):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                turns[0] += 1
                time.sleep(0.01)
                inside[0] -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (most[0], turns[0]) == (1, 36)


@pytest.mark.parametrize("when", ["taking", "beating", "telling", "leaving"])
def test_an_answer_that_is_lost_loses_no_lock(s3: S3, paths: FlowPaths, when: str) -> None:
    """The store has taken the put; asked again, it refuses."""
    if when == "taking":
        s3.fault("deaf", times=1, key=paths.lock.removeprefix("s3a://"))
    with flow_lock(paths, flow="f", run_id="mine") as lock:
        if when != "taking":
            s3.fault("deaf", times=1, key=paths.lock.removeprefix("s3a://"))
        if when == "telling":
            lock.tell_jvm(os.getpid())
        if when == "beating":
            time.sleep(4 * BEAT)
        lock.must_hold()
        must_hold(paths, flow="f", run_id="mine")
    assert words(paths) == {}


def test_while_the_store_does_not_answer_the_lock_is_kept(
    s3: S3, paths: FlowPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else can take it then either; when it answers again, its holder goes on."""
    monkeypatch.setattr(object_store, "_HURRIED_RETRIES", {"max_retries": 0})
    object_store.use(paths.lock, {})
    object_store.use(paths.lock, s3.conf())
    with flow_lock(paths, flow="f", run_id="mine") as lock:
        s3.fault("deaf", times=3, key=paths.lock.removeprefix("s3a://"))
        time.sleep(6 * BEAT)
        lock.must_hold()
        must_hold(paths, flow="f", run_id="mine")
    assert words(paths) == {}


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_store_that_takes_no_heed_of_conditions_is_refused(
    s3: S3, paths: FlowPaths, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    monkeypatch.setattr(lease, "_PROVED", set())
    s3.fault("blind" if header == "If-None-Match" else "blind-to-tags", times=9, key=paths.lock.removeprefix("s3a://"))
    try:
        with (
            pytest.raises(EnvironmentProblem, match=f"does not heed {header}"),
            flow_lock(paths, flow="f", run_id="mine"),
        ):
            pass
    finally:
        s3.fault("blind", times=0)
        s3.fault("blind-to-tags", times=0)
    with flow_lock(paths, flow="f", run_id="mine"):
        pass


def test_the_processes_of_another_container_are_not_known_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has pids of its own: what has this pid here is another, and what has none may be alive there."""
    own = holder.LockHolder.here("r", in_turns=False)
    assert not own.is_dead
    gone = holder.LockHolder(pid=2**22 - 1, start="x", machine=own.machine)
    assert gone.is_dead
    assert not holder.LockHolder(pid=2**22 - 1, start="x", machine=f"{own.machine}0").is_dead
    monkeypatch.setattr(holder, "this_machine", lambda: "")
    assert not holder.LockHolder(pid=2**22 - 1, start="x", machine="").is_dead, "a system that does not tell"
