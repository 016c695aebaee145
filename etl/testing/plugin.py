"""The pytest plug-in: the `tests:` of pipeline files as items, one a test and mode, and a `spark` fixture.

It imports nothing but pytest until a pipeline with tests is collected or the fixture is asked for.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from etl.config.spec import Mode, PipelineSpec, TestSpec
    from etl.operations.harness.pipeline_tests import TestResult

_MODES: tuple[Mode, Mode] = ("batch", "stream")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--etl-env`."""
    group = parser.getgroup("twilight", "tests of Twilight's pipelines")
    group.addoption(
        "--etl-env", default="local", metavar="ENV", help="The environment whose conf/ pipelines are tested in."
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PipelineFile | None:
    """Pipeline files that have tests; any other YAML is left alone."""
    if file_path.suffix != ".yml" or not (file_path.name == "pipeline.yml" or file_path.parent.name == "pipelines"):
        return None
    try:
        text = file_path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None  # `etl validate` says what is wrong with it
    if not all(re.search(rf"^{key}:", text, re.MULTILINE) for key in ("version", "name", "flows", "tests")):
        return None
    return PipelineFile.from_parent(parent, path=file_path)


def pytest_unconfigure() -> None:
    """End what was started."""
    if "etl.testing.shared" in sys.modules:
        sys.modules["etl.testing.shared"].close()


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """A session for little data, with Delta; a project's own fixture of this name takes its place."""
    from etl.config.spec import SparkSpec  # noqa: PLC0415  # see above
    from etl.testing.shared import sandbox  # noqa: PLC0415

    with sandbox(SparkSpec()) as shared:
        return shared.session().spark


class PipelineFile(pytest.File):
    """A pipeline file; its mistakes are shown as `etl validate` shows them."""

    def collect(self) -> Iterator[PipelineItem]:
        """Two items a test, one for each mode."""
        from etl.config.load import load  # noqa: PLC0415  # see above
        from etl.errors import ConfigurationError  # noqa: PLC0415

        try:
            spec = load(self.path, environment=self.config.getoption("--etl-env"))
        except ConfigurationError as cause:
            raise self.CollectError(str(cause)) from None
        for test in spec.tests:
            for mode in _MODES:
                yield PipelineItem.from_parent(self, name=f"{test.name} [{mode}]", spec=spec, test=test, mode=mode)


class PipelineItem(pytest.Item):
    """One test of a pipeline in one mode."""

    def __init__(self, *, spec: PipelineSpec, test: TestSpec, mode: Mode, **rest: Any) -> None:
        super().__init__(**rest)
        self._spec, self._test, self._mode = spec, test, mode

    def runtest(self) -> None:
        """Raise NotAsExpected where rows differ, or the flow fails."""
        from etl.operations.harness.pipeline_tests import run_test  # noqa: PLC0415  # see above
        from etl.testing.shared import sandbox  # noqa: PLC0415

        with sandbox(self._spec.spark) as shared:
            result = run_test(shared, self._spec, self._test, self._mode)
        if result.status != "passed":
            raise NotAsExpected(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The difference, or the message that `etl run` would show; a traceback only for a fault of ours."""
        from etl.errors import EtlError  # noqa: PLC0415  # see above

        if isinstance(excinfo.value, NotAsExpected):
            return excinfo.value.text(colour=self.config.get_terminal_writer().hasmarkup)
        return str(excinfo.value) if isinstance(excinfo.value, EtlError) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test is written."""
        return self.path, self._test.at.line - 1, f"{self._spec.name}.{self._test.flow}: {self.name}"


class NotAsExpected(AssertionError):
    """A test of a pipeline did not pass."""

    def __init__(self, result: TestResult) -> None:
        super().__init__(result.name)
        self._result = result

    def text(self, *, colour: bool) -> str:
        """Where, what, and how it differs."""
        from etl.operations.harness.difference_table import difference_text  # noqa: PLC0415  # see above

        result = self._result
        head = f"{result.at.file}:{result.at.line}: {result.pipeline}.{result.flow}: {result.name} [{result.mode}]"
        tables = (difference_text(item, colour=colour) for item in result.differences)
        return "\n".join(filter(None, (head, result.message, *tables)))
