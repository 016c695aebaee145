from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from types import SimpleNamespace

import pytest

from etl.config.load import load
from etl.engine.session import class_data
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


def test_so_many_archives_are_kept_and_no_more(made: Archive) -> None:
    others = [made.path.with_name(f"{number}.jsa") for number in range(9)]
    for number, path in enumerate(others):
        path.touch()
        os.utime(path, (time.time() - 60 * (number + 1),) * 2)
    made.draft.touch()
    made.keep()
    assert {path.name for path in made.path.parent.glob("*.jsa")} == {"a.jsa", "0.jsa", "1.jsa", "2.jsa"}


@pytest.mark.parametrize(
    ("free", "made_now", "told"),
    [(10**12, True, "is made in the background, once"), (10**8, False, "")],
    ids=["room", "a full disk"],
)
def test_it_is_told_that_one_is_made_and_none_is_where_the_disk_is_full(
    made: Archive,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    free: int,
    *,
    made_now: bool,
    told: str,
) -> None:
    started: list[object] = []
    monkeypatch.setattr(class_data.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    monkeypatch.setattr(class_data.subprocess, "Popen", lambda command, **_: started.append(command))
    class_data.prepare_behind(made)
    shown = capsys.readouterr().err
    assert bool(started) is made_now
    assert shown.count("\n") == made_now
    assert told in shown
    assert not made_now or "TWILIGHT_CLASS_DATA=off does without" in shown
    if not made_now:
        with pytest.raises(EnvironmentProblem, match="100 MB free, and 1,000 MB are wanted"):
            class_data.must_have_room(made)


def test_a_training_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_data, "TRAIN_S", 1)
    monkeypatch.setattr(class_data, "_TRAIN", ["sleep", "60"])
    begun = time.monotonic()
    with pytest.raises(EnvironmentProblem, match="not made within 1 s"):
        class_data.prepare()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("value", "off"), [("off", True), ("0", True), ("False", True), ("", False), ("on", False)])
def test_an_environment_variable_does_without(monkeypatch: pytest.MonkeyPatch, value: str, *, off: bool) -> None:
    monkeypatch.setenv("TWILIGHT_CLASS_DATA", value)
    assert class_data.is_off() is off


@pytest.mark.parametrize("local", ["spark: {class_data_archive: false}", "storage: s"])
def test_an_environment_file_does_without(tmp_path: Path, local: str) -> None:
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "conf").mkdir()
    source = "sources: {s: {format: text, path: in}}\nflows: {f: {inputs: [s]}}\n"
    (tmp_path / "pipelines/p.yml").write_text(f"version: 1\nname: p\n{source}", encoding="utf-8")
    (tmp_path / "conf/local.yml").write_text(local, encoding="utf-8")
    assert load(tmp_path / "pipelines/p.yml").spark.class_data_archive is ("false" not in local)


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
