from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from etl.engine.session.class_data import Archive, alone, archive, is_being_made
from etl.errors import EnvironmentProblem


@pytest.fixture
def made(tmp_path: Path) -> Archive:
    found = Archive(tmp_path / "archives/a.jsa")
    found.make()
    return found


def test_a_draft_is_used_only_once_it_is_kept(made: Archive) -> None:
    made.draft.write_bytes(b"classes")
    assert made.use() == []
    made.keep()
    assert f"-XX:SharedArchiveFile={made.path}" in made.use()
    assert not made.draft.exists()


def test_what_a_killed_jvm_left_is_not_kept(made: Archive) -> None:
    made.draft.write_bytes(b"half")
    made.make()
    with pytest.raises(EnvironmentProblem, match="no class-data archive"):
        made.keep()
    assert not made.path.exists()


def test_archives_that_nobody_uses_go_and_others_stay(made: Archive) -> None:
    used, unused = made.path.with_name("used.jsa"), made.path.with_name("unused.jsa")
    for path in (used, unused):
        path.touch()
        os.utime(path, (0, 0))
    Archive(used).use()
    made.draft.touch()
    made.keep()
    assert used.exists()
    assert not unused.exists()


def test_a_replaced_jar_asks_for_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIGHT_CACHE", str(tmp_path))
    java, jar = tmp_path / "java", tmp_path / "a.jar"
    java.touch()
    jar.touch()
    before = archive(str(java), "17", [jar])
    assert archive(str(java), "17", [jar]) == before
    os.utime(jar, (1, 1))
    assert archive(str(java), "17", [jar]) != before
    assert archive(str(java), "21", [jar]) != archive(str(java), "17", [jar])


def _hold(path: Path, holds: Event) -> None:
    with alone(Archive(path)):
        holds.set()
        time.sleep(60)


@pytest.mark.system
def test_one_process_makes_an_archive_and_a_killed_one_lets_go(made: Archive) -> None:
    spawning = multiprocessing.get_context("spawn")
    holds, waits = spawning.Event(), spawning.Event()
    first = spawning.Process(target=_hold, args=(made.path, holds))
    second = spawning.Process(target=_hold, args=(made.path, waits))
    first.start()
    assert not is_being_made(Archive(made.path.with_name("other.jsa")))
    assert holds.wait(30)
    assert is_being_made(made)
    second.start()
    try:
        assert not waits.wait(2)
        first.kill()
        assert waits.wait(30)
    finally:
        for process in (first, second):
            process.kill()
            process.join()
    assert not is_being_made(made)
