"""What all tests share: one Spark session, throw-away projects, and no skip that nobody explained."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession

from etl.config.spec import SparkSpec
from etl.engine.session import open_session

settings.register_profile(
    "default",
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("default")

_ORDER = ("pure", "spark", "property", "system", "crash")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tests first: a mistake shows early."""
    items.sort(
        key=lambda item: max(
            (_ORDER.index(mark.name) for mark in item.iter_markers() if mark.name in _ORDER), default=0
        )
    )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI nothing may be left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") and skipped and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local session for every test that needs Spark."""
    handle = open_session(SparkSpec(), app_name="tests", short=True)
    yield handle.spark
    handle.close()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], Path]:
    """Writes a project from a mapping of file to text, and makes it the current folder."""

    def write(files: Mapping[str, str]) -> Path:
        (tmp_path / "pipelines").mkdir(exist_ok=True)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return write
