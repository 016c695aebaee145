from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etl.engine.session.jars import JARS, cache_root, damaged, jars
from etl.engine.session.java import find_java
from etl.errors import EnvironmentProblem

pytestmark = pytest.mark.system  # Ivy fetches the jars, in a JVM of its own

# A stand-in for `java -jar ivy.jar …`: leaves files where `-retrieve` asks for them.
_IVY = """#!/bin/sh
echo called >> {calls}
while [ "$1" != "-retrieve" ]; do shift; done
folder=$(dirname "$2")
{body}
"""


def _ivy(folder: Path, body: str) -> str:
    folder.mkdir(exist_ok=True)
    program = folder / "java"
    program.write_text(_IVY.format(calls=folder / "calls", body=body))
    program.chmod(0o755)
    return str(program)


def _calls(folder: Path) -> int:
    log = folder / "calls"
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture(scope="module")
def published() -> Path:
    """The published jars, as the machine's own cache holds them."""
    return jars(find_java().program)[0].parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TWILIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/jars"


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("TWILIGHT_CACHE", raising=False)
    assert cache_root() == Path("/x/twilight-etl")
    monkeypatch.setenv("TWILIGHT_CACHE", "/y")
    assert cache_root() == Path("/y")


def test_jars_are_fetched_once_and_then_taken_from_the_cache(published: Path, cache: Path, tmp_path: Path) -> None:
    java = _ivy(tmp_path / "bin", f'cp {published}/*.jar "$folder"')
    found = jars(java)
    assert [path.name for path in found] == [jar.file for jar in JARS]
    assert all(path.parent == cache for path in found)
    assert jars(java) == found
    assert _calls(tmp_path / "bin") == 1


def test_a_jar_that_was_cut_short_is_fetched_again(published: Path, cache: Path, tmp_path: Path) -> None:
    java = _ivy(tmp_path / "bin", f'cp {published}/*.jar "$folder"')
    jars(java)
    with (cache / JARS[0].file).open("r+b") as file:
        file.truncate(1000)
    assert damaged() == (JARS[0].file,)
    jars(java)
    assert damaged() == ()
    assert _calls(tmp_path / "bin") == 2


def test_a_jar_that_is_not_the_published_one_is_never_installed(published: Path, cache: Path, tmp_path: Path) -> None:
    java = _ivy(tmp_path / "bin", f'cp {published}/*.jar "$folder"; echo x >> "$folder/{JARS[1].file}"')
    with pytest.raises(EnvironmentProblem, match=JARS[1].name):
        jars(java)
    assert not list(cache.glob("*.jar"))


def test_offline_the_message_carries_what_ivy_said_and_what_to_do(cache: Path, tmp_path: Path) -> None:
    java = _ivy(tmp_path / "bin", "echo 'Host repo not found'; exit 1")
    with pytest.raises(EnvironmentProblem, match="Host repo not found") as found:
        jars(java)
    assert "TWILIGHT_IVY_SETTINGS" in found.value.hint
    assert not list(cache.parent.glob("fetch-*"))


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TWILIGHT_CACHE", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        jars("java")


def test_two_processes_may_fill_one_cache_at_once(published: Path, cache: Path, tmp_path: Path) -> None:
    java = _ivy(tmp_path / "bin", f'cp {published}/*.jar "$folder"; sleep 1')
    program = f"from etl.engine.session.jars import jars; jars({java!r})"
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert damaged() == ()
    assert len(list(cache.glob("*.jar"))) == len(JARS)
    shutil.rmtree(cache)


def test_every_jar_has_a_whole_digest() -> None:
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in JARS)
