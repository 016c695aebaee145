from __future__ import annotations

from pathlib import Path

import pytest

from etl.engine.session.java import Java, find_java
from etl.errors import EnvironmentProblem


def _runtime(home: Path, version: str, *, release: bool = True) -> Path:
    program = home / "bin/java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(0o755)
    if release:
        (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match=f"JAVA_HOME is {tmp_path}") as found:
        find_java()
    assert found.value.exit_code == 4
    assert "17 or 21" in found.value.hint


def test_no_java_on_the_path_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no `java` on PATH"):
        find_java()


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "25"])
def test_a_java_that_spark_cannot_start_on_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_runtime(tmp_path, version)))
    with pytest.raises(EnvironmentProblem, match=version):
        find_java()


@pytest.mark.parametrize("release", [True, False])
def test_the_version_is_found_with_and_without_a_release_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: bool
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_runtime(tmp_path, "21.0.4", release=release)))
    assert find_java() == Java(str(tmp_path / "bin/java"), "21.0.4")


def test_java_8_calls_itself_1_8() -> None:
    assert Java("java", "1.8.0_402").major == 8
