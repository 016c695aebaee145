from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.config.spec import PipelineSpec, SparkSpec
from etl.engine.session.jars import JARS, jars
from etl.engine.session.java import find_java
from etl.operations.doctor import Check, diagnose

if TYPE_CHECKING:
    from tests.support.s3 import S3


def _spec(folder: Path, storage: Path) -> PipelineSpec:
    return PipelineSpec(
        name="p",
        file=folder / "pipeline.yml",
        folder=folder,
        project=folder,
        environment="local",
        storage=str(storage),
        sources=(),
        flows=(),
    )


def _found(checks: tuple[Check, ...], name: str) -> Check:
    return next(item for item in checks if item.name == name)


@pytest.fixture
def no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Java the doctor looks at the rest, fetches nothing and makes nothing."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))


def test_a_missing_java_fails_and_the_rest_is_looked_at_all_the_same(tmp_path: Path, no_java: None) -> None:
    checks = diagnose(_spec(tmp_path, tmp_path / "new/storage"))
    java = _found(checks, "java")
    assert java.status == "fail"
    assert "17 or 21" in java.hint
    assert [_found(checks, name).status for name in ("pyspark", "delta-spark", "storage", "clock")] == ["ok"] * 4
    assert not (tmp_path / "new").exists()


def test_storage_that_is_a_file_fails(tmp_path: Path, no_java: None) -> None:
    (tmp_path / "file").touch()
    storage = _found(diagnose(_spec(tmp_path, tmp_path / "file/below")), "storage")
    assert storage.status == "fail"
    assert str(tmp_path / "file") in storage.detail


def test_storage_that_cannot_be_written_fails(tmp_path: Path, no_java: None) -> None:
    storage = _found(diagnose(_spec(tmp_path, Path("/proc/storage"))), "storage")  # closed even to root
    assert storage.status == "fail"
    assert "cannot be written" in storage.detail


def test_a_spark_home_of_the_users_is_pointed_at(monkeypatch: pytest.MonkeyPatch, no_java: None) -> None:
    monkeypatch.setenv("SPARK_HOME", "/opt/spark")
    assert _found(diagnose(None), "SPARK_HOME").status == "warn"


def test_a_deep_look_is_not_taken_where_java_is_missing(no_java: None) -> None:
    assert "session" not in [item.name for item in diagnose(None, deep=True)]


def test_a_damaged_jar_is_told_and_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = find_java()
    published = jars(real.program)[0].parent
    home = tmp_path / "java"
    (home / "bin").mkdir(parents=True)
    program = home / "bin/java"
    program.write_text(
        f'#!/bin/sh\nwhile [ "$1" != "-retrieve" ]; do shift; done\ncp {published}/*.jar "$(dirname "$2")"\n'
    )
    program.chmod(0o755)
    (home / "release").write_text(f'JAVA_VERSION="{real.version}"\n')
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("TWILIGHT_CACHE", str(tmp_path / "cache"))
    kept = jars(str(program))[0]
    kept.write_bytes(b"not a jar")
    monkeypatch.setattr(
        "etl.engine.session.class_data.prepare", lambda: None
    )  # a minute's work, and not what is looked at
    found = _found(diagnose(None), "jars")
    assert (found.status, JARS[0].file in found.detail) == ("ok", True)
    assert kept.stat().st_size == (published / kept.name).stat().st_size
    shutil.rmtree(tmp_path / "cache")


@pytest.mark.spark
def test_a_deep_look_counts_in_a_session(tmp_path: Path) -> None:
    spec = replace(_spec(tmp_path, tmp_path), name="deep")
    found = _found(diagnose(spec, deep=True), "session")
    assert found.status == "ok"
    assert "10 rows" in found.detail


@pytest.mark.system
@pytest.mark.parametrize(
    ("bucket", "blind", "told"),
    [
        ("doctored", 0, ""),
        ("doctored-blind", 9, "does not heed If-None-Match"),
        ("", 0, "there is no bucket 'nobodys'"),
    ],
)
def test_a_bucket_is_tried_for_what_locks_and_commits_need(
    s3: S3, tmp_path: Path, bucket: str, blind: int, told: str
) -> None:
    uri = s3.make_bucket(bucket) if bucket else "s3a://nobodys"
    spec = replace(_spec(tmp_path, tmp_path), storage=f"{uri}/x", spark=SparkSpec(conf=tuple(s3.conf().items())))
    s3.fault("blind", times=blind, key=bucket or "none")
    checks = diagnose(spec)
    s3.fault("blind", times=0)
    storage = _found(checks, "storage")
    assert told in storage.detail
    assert storage.status == ("fail" if told else "ok")
    assert any(check.name == "clock" for check in checks) is not bool(told)
    assert not bucket or s3.keys(uri) == []
