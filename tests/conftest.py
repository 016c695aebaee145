"""What all tests share: one Spark session, throw-away projects, the quick tests first, and in CI no test left out."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from tests.support.s3 import S3

_SLOW_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
# The same cases each time; `pytest --hypothesis-profile=dev` looks for new ones, and prints how to see them again.
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, suppress_health_check=_SLOW_FIXTURES)
settings.register_profile("dev", max_examples=500, deadline=None, print_blob=True, suppress_health_check=_SLOW_FIXTURES)
settings.load_profile("ci")

_ORDER = ("pure", "spark", "property", "slow", "system", "crash")
# Side by side the long ones begin first, or one process would end up alone with the longest.
_SIDE_BY_SIDE = ("pure", "property", "crash", "slow", "system", "spark")
# Over a dozen rows an expression is interpreted sooner than compiled, and a plan is run sooner than planned again. Runs that are killed
# or stopped in processes of their own have these settings too; what a page of the documentation says is run with Spark's own.
LITTLE_DATA = (
    ("spark.sql.codegen.wholeStage", "false"),
    ("spark.sql.codegen.factoryMode", "NO_CODEGEN"),
    ("spark.sql.adaptive.enabled", "false"),
    ("spark.databricks.delta.snapshotPartitions", "1"),
    ("spark.sql.shuffle.partitions", "2"),
)


def tune(root: Path) -> None:
    """Have the runs of a project, in whatever process, do with their little data as the tests' own session does."""
    (root / "conf").mkdir()
    (root / "conf" / "local.yml").write_text(json.dumps({"spark": {"conf": dict(LITTLE_DATA)}}), encoding="utf-8")


_TOLD = "told"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is not marked by hand, and put cheap tests first: a mistake shows early."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker("spark")
        if not any(mark.name in _ORDER for mark in item.iter_markers()):
            item.add_marker("pure")
    if hasattr(config, "workerinput"):  # files are handed out whole, since their tests share what they prepare
        costliest: dict[Path, int] = {}
        for item in items:
            costliest[item.path] = max(costliest.get(item.path, 0), _cost(item))
        items.sort(key=lambda item: _SIDE_BY_SIDE.index(_ORDER[costliest[item.path]]))
    else:
        items.sort(key=_cost)


def _cost(item: pytest.Item) -> int:
    return max(_ORDER.index(mark.name) for mark in item.iter_markers() if mark.name in _ORDER)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests told, and why a run without a failure is not a good one."""
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == _TOLD and report.when == "call":
                terminalreporter.write_line(f"\n{report.nodeid}\n{text}")
    if _left_out(terminalreporter):
        terminalreporter.write_line("CI: a skipped test fails the run; install what it lacks, or delete it", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI nothing may be left out."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == pytest.ExitCode.OK and reporter is not None and _left_out(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _left_out(reporter: pytest.TerminalReporter) -> bool:
    return bool(os.environ.get("CI") and reporter.stats.get("skipped"))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One local session for every test that needs Spark."""
    from etl.config.spec import SparkSpec  # a run of pure tests alone never imports pyspark
    from etl.engine.session.start import open_session

    handle = open_session(SparkSpec(conf=LITTLE_DATA), app_name="tests", short=False)
    yield handle.spark
    handle.close()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """One S3 server for every test that needs one; each has buckets of its own."""
    from tests.support.s3 import serving  # what it needs costs most tests nothing

    with serving() as found:
        yield found


@pytest.fixture(autouse=True)
def _shared_session(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that is marked `spark` runs in the shared session, whether or not it asks for it by name; nothing of it stays cached."""
    if not request.node.get_closest_marker("spark"):
        yield
        return
    from etl.engine.session.process_state import external_runs  # a run of pure tests alone imports no engine

    spark: SparkSession = request.getfixturevalue("spark")
    before = external_runs()
    yield
    assert external_runs() == before, "a run in an external session has never ended"
    caches = spark._jsparkSession.sharedState().cacheManager()  # noqa: SLF001  # pyspark tells of no cache of other sessions
    try:
        assert caches.isEmpty(), "a frame was persisted and never released"
    finally:
        caches.clearCache()


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Prints a text when all tests are done: a number that is to be seen."""
    return lambda text: record_property(_TOLD, text)


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
